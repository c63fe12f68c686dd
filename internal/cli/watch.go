package cli

import (
	"os"
	"sync"
	"time"

	"axle"
	"axle/internal/engine"
	"axle/internal/report"

	"golang.org/x/term"
)

// watcher passes the engine's events on to the live view.
type watcher struct {
	app     *App
	preview bool
	mu      sync.Mutex
	live    *report.Live
}

// watch begins a view; it is a control.Watch.
func (v *watcher) watch(run string, steps []axle.Step) engine.Observer {
	if v.app.flags.quiet || len(steps) == 0 {
		return nil
	}
	var size func() (int, int)
	if f, ok := v.app.Err.(*os.File); ok && v.app.ErrTTY && v.app.Getenv("TERM") != "dumb" {
		size = func() (int, int) {
			w, h, err := term.GetSize(int(f.Fd()))
			if err != nil {
				return 80, 24
			}
			return w, h
		}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.live = report.NewLive(v.app.Err, v.app.errStyle(), steps, v.preview, size, time.Now())
	return v
}

// Observe is the engine's Observer.
func (v *watcher) Observe(ev engine.Event) {
	switch ev.Kind {
	case engine.Started:
		v.live.Started(ev.Step, ev.At)
	case engine.Retrying:
		v.live.Retrying(ev.Step, ev.Failure, ev.Wait)
	case engine.Progressed:
		v.live.Progressed(ev.Step, ev.Note)
	case engine.Ended:
		v.live.Ended(ev.Step, ev.Record)
	}
}

func (v *watcher) say(line string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.live != nil {
		v.live.Say(line)
	} else {
		v.app.note("%s", line)
	}
}

func (v *watcher) close() {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.live != nil {
		v.live.Close()
		v.live = nil
	}
}
