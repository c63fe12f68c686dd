package artifact

import (
	"maps"
	"os"
	"path/filepath"
	"slices"

	"axle"
	"axle/internal/template"
)

// Kinds are the kinds of artifacts that a template and those nested in it refer
// to, sorted; home: some are in the bucket of the hub's region wherever the stack
// is. Files that can't be read have none.
func Kinds(t *template.Template) (kinds []string, home bool) {
	found := map[string]bool{}
	home = collect(t, found, map[string]bool{})
	return slices.Sorted(maps.Keys(found)), home
}

func collect(t *template.Template, found, seen map[string]bool) (home bool) {
	for _, l := range t.Locals() {
		home = home || atHome(&l)
		found[kindOf(&l)] = true
		path := located(t.File, &l)
		if l.Content != template.ContentNested || seen[path] {
			continue
		}
		seen[path] = true
		body, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		inner, _ := template.Parse(path, body) // its mistakes are told when it is packaged
		home = collect(inner, found, seen) || home
	}
	return home
}

// kindOf is the folder of the bucket that a local path's content goes to.
func kindOf(l *template.Local) string {
	switch {
	case l.Early:
		return axle.ArtifactTemplates
	case l.Content == template.ContentCode:
		return axle.ArtifactCode
	}
	return axle.ArtifactFiles
}

func atHome(l *template.Local) bool {
	return l.Form == template.FormHomeURI || l.Form == template.FormHomeURL
}

// located is where a local path of a template leads.
func located(file string, l *template.Local) string {
	if filepath.IsAbs(l.Path) {
		return l.Path
	}
	return filepath.Join(filepath.Dir(file), filepath.FromSlash(l.Path))
}
