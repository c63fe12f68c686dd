//go:build !linux && !darwin

package store

// look can't tell processes apart here: holders of a lock are known by their
// heartbeat alone.
func look(int) process { return process{} }
