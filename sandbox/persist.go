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

// saveEvery is how often a changed state is written while the sandbox runs.
const saveEvery = 5 * time.Second

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
	at := s.st.Changes
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
	s.lock()
	s.saved = at
	s.unlock()
	return nil
}

// keepSaving writes a changed state now and then, until Close.
func (s *Sandbox) keepSaving() {
	if s.opts.State == "" {
		return
	}
	s.done.Go(func() {
		t := time.NewTicker(saveEvery)
		defer t.Stop()
		for {
			select {
			case <-s.stop:
				return
			case <-t.C:
			}
			s.lock()
			changed := s.st.Changes != s.saved
			s.unlock()
			if changed {
				if err := s.Save(); err != nil {
					s.log.Error("save", "error", err)
				}
			}
		}
	})
}
