package artifact

import (
	"archive/zip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// notCode are names that are left out of archives; those that a user might miss
// are told.
var notCode = map[string]bool{".git": true, ".hg": true, ".svn": true, ".axle": true, ".aws-sam": true, // told
	".DS_Store": false, "__pycache__": false, ".pytest_cache": false, ".mypy_cache": false, ".ruff_cache": false}

// errEscape is a link that leads out of the folder.
var errEscape = errors.New("leads out of the folder")

// zipped is a folder, or a file, to be zipped.
type zipped struct {
	root  string // absolute, without links
	files []entry
	left  []string // names that were left out, to be told
	seen  int      // files and folders, also those that links lead to again
}

// maxEntries bounds a walk: links that lead to each other's folders can make a
// few folders look like millions.
const maxEntries = 200_000

// entry is one file of an archive.
type entry struct {
	name, path string
	size       int64
	executable bool
	sum        string
}

func (z *zipped) size() int64 {
	var n int64
	for _, f := range z.files {
		n += f.size
	}
	return n
}

// walk collects the files below dir, whose name in the archive is given. Links
// are followed as long as they stay in the folder; above are the folders that
// one is in, by which circles are found.
func (z *zipped) walk(dir, name string, above []string) error {
	above = append(slices.Clone(above), dir)
	list, err := os.ReadDir(dir)
	if err != nil {
		return trouble("", "%s: %v", dir, bare(err))
	}
	for _, e := range list {
		if told, out := notCode[e.Name()]; out {
			if told {
				z.left = append(z.left, e.Name())
			}
			continue
		}
		if z.seen++; z.seen > maxEntries {
			return trouble("name a smaller folder; if it has links, they may lead to the same folders again and again", "it has more than %d files and folders", maxEntries)
		}
		path, inside := filepath.Join(dir, e.Name()), strings.TrimPrefix(name+"/"+e.Name(), "/")
		if e.Type()&fs.ModeSymlink != 0 {
			if path, err = z.follow(path); err != nil {
				return trouble("replace the link by what it leads to, or remove it", "the link %s %v", inside, err)
			}
		}
		info, err := os.Lstat(path)
		switch {
		case err != nil:
			return trouble("", "%s: %v", inside, bare(err))
		case info.IsDir() && slices.Contains(above, path):
			return trouble("remove the link", "the link %s leads to a folder that it is in", inside)
		case info.IsDir():
			if err := z.walk(path, inside, above); err != nil {
				return err
			}
		case info.Mode().IsRegular():
			z.files = append(z.files, entry{name: inside, path: path, size: info.Size(), executable: executable(info)})
		default:
			return trouble("remove it", "%s is neither a file nor a folder", inside)
		}
	}
	return nil
}

// follow is where a link leads, within the folder.
func (z *zipped) follow(path string) (string, error) {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return "", fmt.Errorf("leads nowhere: %w", bare(err))
	}
	if rel, err := filepath.Rel(z.root, real); err != nil || rel == ".." || strings.HasPrefix(rel, ".."+string(filepath.Separator)) {
		return "", errEscape
	}
	return real, nil
}

// fixed is the time of every file in an archive: the first that zip knows.
var fixed = time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)

// write makes the archive.
func (z *zipped) write(w io.Writer) error {
	out := zip.NewWriter(w)
	for _, f := range z.files {
		head := &zip.FileHeader{Name: f.name, Method: zip.Deflate, Modified: fixed}
		head.SetMode(0o644)
		if f.executable {
			head.SetMode(0o755)
		}
		part, err := out.CreateHeader(head)
		if err != nil {
			return err
		}
		if err := copyFile(part, f.path, f.sum); err != nil {
			return err
		}
	}
	return out.Close()
}
