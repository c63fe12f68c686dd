package sandbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// A changed state is written after savePause, with all that changed in it, and so
// that writing takes at most one part in saveShare of the time; after retrySave
// when it couldn't be written.
const (
	savePause = 100 * time.Millisecond
	saveShare = 20
	retrySave = 5 * time.Second
)

// load reads the state, if Options.State names a file that is there.
func (s *Sandbox) load() error {
	if s.opts.State == "" {
		return nil
	}
	raw, err := os.ReadFile(s.opts.State)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read state: %w", err)
	}
	st := &state{}
	if err := json.Unmarshal(raw, st); err != nil {
		return fmt.Errorf("read state %s: %w", s.opts.State, err)
	}
	if st.Org.ID == "" || st.Keys[st.Admin] == nil {
		return fmt.Errorf("read state %s: it holds no organization", s.opts.State)
	}
	s.st = st
	return nil
}

// Save writes the state to Options.State, at once or not at all; without a
// file it does nothing.
func (s *Sandbox) Save() error {
	if s.opts.State == "" {
		return nil
	}
	s.lock()
	var raw bytes.Buffer
	e := json.NewEncoder(&raw)
	e.SetEscapeHTML(false) // documents within are kept letter by letter
	err := e.Encode(s.st)
	s.unlock()
	if err != nil {
		return fmt.Errorf("encode state: %w", err)
	}
	tmp, err := os.CreateTemp(filepath.Dir(s.opts.State), ".sandbox-*")
	if err != nil {
		return fmt.Errorf("write state: %w", err)
	}
	_, err = tmp.Write(raw.Bytes())
	if err = errors.Join(err, tmp.Close()); err == nil {
		err = os.Rename(tmp.Name(), s.opts.State)
	}
	if err != nil {
		_ = os.Remove(tmp.Name())
		return fmt.Errorf("write state: %w", err)
	}
	return nil
}

// touch has the state written soon.
func (s *Sandbox) touch() {
	select {
	case s.dirty <- struct{}{}:
	default: // it will be
	}
}

// keepSaving writes the state when it has changed, until Close.
func (s *Sandbox) keepSaving() {
	if s.opts.State == "" {
		return
	}
	s.touch() // the keys of a new one are known to others at once
	s.done.Go(func() {
		for pause := savePause; ; {
			select {
			case <-s.stop:
				return
			case <-s.dirty:
			}
			select {
			case <-s.stop:
				return
			case <-time.After(pause):
			}
			select { // what changed meanwhile is written with it
			case <-s.dirty:
			default:
			}
			began := time.Now()
			err := s.Save()
			pause = max(savePause, saveShare*time.Since(began))
			if err != nil {
				s.log.Error("save", "error", err)
				s.touch()
				pause = retrySave
			}
		}
	})
}
