package config

// ValidRegion says whether s has the form of a region's name.
func ValidRegion(s string) bool { return region.matches(s) }
