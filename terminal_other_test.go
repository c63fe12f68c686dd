//go:build !linux

package axle_test

// onTerminal stands for a program of scripts that run on Linux alone.
func onTerminal() { panic("there are no terminals for tests here") }
