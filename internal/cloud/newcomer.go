package cloud

import (
	"errors"
	"fmt"
	"time"

	"axle"
)

// newcomer is how long an account counts as new. AWS: "You might need to wait a
// few minutes before you can successfully access the account" (CreateAccount);
// stack sets with automatic deployment need some more to make their roles.
const newcomer = 15 * time.Minute

// explainState says of an account that couldn't be entered when that is because
// of where it is in its life. One that has just joined may be entered later: the
// engine tries again for a while, unless it only looks.
func explainState(f *axle.Failure, account axle.Account) {
	age := time.Since(account.Joined)
	switch {
	case !account.Active():
		f.Hint = "the account is " + account.Status + ": nobody can enter it"
	case age < newcomer:
		f.Err = &newcomerError{f.Err}
		f.Hint = fmt.Sprintf("the account joined the organization %s ago, and its roles may need a few minutes more; if it isn't that, %s",
			max(age, time.Second).Round(time.Second), f.Hint)
	}
}

// newcomerError is that an account couldn't be entered that has just joined.
type newcomerError struct{ err error }

func (e *newcomerError) Error() string   { return e.err.Error() }
func (e *newcomerError) Unwrap() error   { return e.err }
func (e *newcomerError) Transient() bool { return true }

// IsNewcomer says whether an account couldn't be entered that has just joined:
// whether it ever can is known in some minutes.
func IsNewcomer(err error) bool {
	_, ok := errors.AsType[*newcomerError](err)
	return ok
}
