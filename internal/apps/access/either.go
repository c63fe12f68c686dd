package access

import (
	"context"
	"errors"
	"sync"

	"axle"
)

// Either is a source that reads by one way and, where that is closed, by
// another: bootstrap's roles needn't be allowed to read policies where the
// caller may. Each account's roles are read once.
type Either struct {
	First, Then Source // Then may be nil

	mu       sync.Mutex
	accounts map[string]func() (*Account, error)
}

// Account implements Source.
func (e *Either) Account(ctx context.Context, a axle.Account) (*Account, error) {
	e.mu.Lock()
	if e.accounts == nil {
		e.accounts = map[string]func() (*Account, error){}
	}
	read := e.accounts[a.ID]
	if read == nil {
		read = sync.OnceValues(func() (*Account, error) {
			return either(ctx, e, func(s Source) (*Account, error) { return s.Account(ctx, a) })
		})
		e.accounts[a.ID] = read
	}
	e.mu.Unlock()
	return read()
}

// Guardrails implements Source.
func (e *Either) Guardrails(ctx context.Context, a axle.Account) (*Guardrails, error) {
	return either(ctx, e, func(s Source) (*Guardrails, error) { return s.Guardrails(ctx, a) })
}

// Owner implements Source.
func (e *Either) Owner(ctx context.Context, arn string, among []axle.Account) (string, error) {
	return either(ctx, e, func(s Source) (string, error) { return s.Owner(ctx, arn, among) })
}

// Resource implements Source.
func (e *Either) Resource(ctx context.Context, arn, account string) (*Resource, error) {
	return either(ctx, e, func(s Source) (*Resource, error) { return s.Resource(ctx, arn, account) })
}

// either gives the first answer; when neither has one, the first's error.
func either[T any](ctx context.Context, e *Either, read func(Source) (T, error)) (T, error) {
	found, err := read(e.First)
	if err == nil || e.Then == nil || ctx.Err() != nil || errors.Is(err, ErrNotFound) {
		return found, err
	}
	if other, second := read(e.Then); second == nil || errors.Is(second, ErrNotFound) {
		return other, second
	}
	return found, err
}
