package artifact

import (
	"archive/zip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"axle/internal/template"
)

// maxCode is Lambda's limit of a function's or layer's code, unzipped, in bytes.
const maxCode = 250 << 20

// source packages a file or folder that isn't a template, and gives its key.
func (p *Packager) source(ctx context.Context, path string, l *template.Local) (string, error) {
	info, err := stat(path)
	if err != nil {
		return "", err
	}
	build, err := howToBuild(path, info, l)
	if err != nil {
		return "", err
	}
	id := fmt.Sprintf("%d %t %s %s", l.Content, l.Early, build, absolute(path))
	p.mu.Lock()
	m := p.made[id]
	if m == nil {
		m = &making{}
		p.made[id] = m
	}
	p.mu.Unlock()
	m.once.Do(func() {
		switch {
		case build != "":
			m.key, m.err = p.build(ctx, path, build)
		case info.IsDir():
			m.key, m.err = p.folder(path, l)
		default:
			m.key, m.err = p.file(path, info, l)
		}
	})
	return m.key, m.err
}

// file packages one file: as it is, or zipped when it is code and no archive.
func (p *Packager) file(path string, info os.FileInfo, l *template.Local) (string, error) {
	if !info.Mode().IsRegular() {
		return "", trouble("", "it is neither a file nor a folder")
	}
	kind := kindOf(l)
	if l.Content == template.ContentCode {
		size, archive := unzipped(path)
		if !archive {
			z := &zipped{root: filepath.Dir(path), files: []entry{{name: info.Name(), path: path, size: info.Size(), executable: executable(info)}}}
			return p.zip(kind, z)
		}
		if size > maxCode {
			return "", tooLarge(size)
		}
	}
	sum, err := digestFile(path)
	if err != nil {
		return "", err
	}
	return p.keep(kind, sum, extension(path, ""), &whole{path, sum}), nil
}

// unzipped is how large an archive is when it is unpacked; false: it is none.
func unzipped(path string) (int64, bool) {
	r, err := zip.OpenReader(path)
	if err != nil {
		return 0, false
	}
	defer r.Close()
	var size uint64
	for _, f := range r.File {
		size += f.UncompressedSize64
	}
	return int64(size), true
}

func tooLarge(size int64) error {
	return trouble("leave out what isn't needed, or make it a container image", "it has %d MB unzipped, and Lambda takes 250 MB for a function with its layers", size>>20)
}

func executable(info os.FileInfo) bool { return info.Mode()&0o111 != 0 }

// whole is a file as it is.
type whole struct{ path, sum string }

func (f *whole) write(w io.Writer) error { return copyFile(w, f.path, f.sum) }

// copyFile copies a file whose digest is known.
func copyFile(w io.Writer, path, sum string) error {
	in, err := os.Open(path)
	if err != nil {
		return err
	}
	defer in.Close()
	h := sha256.New()
	if _, err := io.Copy(io.MultiWriter(w, h), in); err != nil {
		return err
	}
	if hex.EncodeToString(h.Sum(nil)) != sum {
		return fmt.Errorf("%s has changed since it was looked at", path)
	}
	return nil
}

func digestFile(path string) (string, error) {
	in, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer in.Close()
	h := sha256.New()
	if _, err := io.Copy(h, in); err != nil {
		return "", fmt.Errorf("%s: %w", path, bare(err))
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// folder packages a folder: zipped, without what is nobody's code.
func (p *Packager) folder(path string, l *template.Local) (string, error) {
	if l.Content == template.ContentFile {
		return "", trouble("name a file", "it is a folder")
	}
	z := &zipped{root: absolute(path)}
	if err := z.walk(z.root, "", nil); err != nil {
		return "", err
	}
	if len(z.files) == 0 {
		return "", trouble("", "the folder has no files")
	}
	if len(z.left) > 0 {
		slices.Sort(z.left)
		p.warn("%s: not packaged: %s", path, strings.Join(slices.Compact(z.left), ", "))
	}
	if l.Content == template.ContentCode {
		if z.size() > maxCode {
			return "", tooLarge(z.size())
		}
		p.unbuilt(path, l, z)
	}
	return p.zip(kindOf(l), z)
}

// zip digests what is to be zipped. The digest is of names, modes and content,
// not of the archive: another version of the compression is no other code.
func (p *Packager) zip(kind string, z *zipped) (string, error) {
	slices.SortFunc(z.files, func(a, b entry) int { return strings.Compare(a.name, b.name) })
	h := sha256.New()
	fmt.Fprintln(h, "axle zip 1")
	for i := range z.files {
		f := &z.files[i]
		var err error
		if f.sum, err = digestFile(f.path); err != nil {
			return "", err
		}
		fmt.Fprintf(h, "%t %s %q\n", f.executable, f.sum, f.name)
	}
	return p.keep(kind, hex.EncodeToString(h.Sum(nil)), ".zip", z), nil
}
