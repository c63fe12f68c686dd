//go:build scenarios

package scenarios

func lifecycle(w *world) {}
