package axle_test

import (
	"sync"

	"axle/sandbox"
)

// boxList finds a script's sandbox by its address: scripts run in parallel.
type boxList struct {
	mu    sync.Mutex
	boxes map[string]*sandbox.Sandbox
}

func newBoxes() *boxList { return &boxList{boxes: map[string]*sandbox.Sandbox{}} }

func (l *boxList) put(url string, box *sandbox.Sandbox) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.boxes[url] = box
}

func (l *boxList) get(url string) *sandbox.Sandbox {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.boxes[url]
}
