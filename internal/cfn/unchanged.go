package cfn

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"
	"strings"

	"axle"

	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
)

// Unchanged says whether a stack is known to be as it shall be without a change
// set: parameters, tags, role, capabilities and template are equal. What can't
// be told from that (secrets, transforms, nested stacks, values that
// CloudFormation looks up) is never unchanged here. It takes no call when our
// record of the stack still fits, else one.
func (d *Driver) Unchanged(ctx context.Context, t axle.Target, w Want, st *Stack) (bool, error) {
	if d.Verify || d.Reverts || w.Spec.Opaque != "" || len(w.Spec.NoEcho) > 0 || w.dynamic() {
		return false, nil
	}
	switch types.StackStatus(st.Status) {
	case types.StackStatusCreateComplete, types.StackStatusUpdateComplete, types.StackStatusImportComplete:
	default:
		return false, nil
	}
	if same, err := d.sameSettings(t, w, st); !same || err != nil {
		return false, err
	}
	return d.SameTemplate(ctx, t, w.Spec.Template, st)
}

// dynamic says whether CloudFormation looks a parameter's value up.
func (w Want) dynamic() bool {
	for _, value := range w.Values {
		if strings.Contains(value, "{{resolve:") {
			return true
		}
	}
	return false
}

// sameSettings compares all but the template.
func (d *Driver) sameSettings(t axle.Target, w Want, st *Stack) (bool, error) {
	if !maps.Equal(w.parameters(), st.Parameters) || !maps.Equal(w.tags(), st.Tags) {
		return false, nil
	}
	role, err := d.role(w, t)
	if err != nil {
		return false, err
	}
	// A role stays with a stack until another one is given.
	if role != "" && role != st.Role {
		return false, nil
	}
	// A stack that needed no capabilities needs none for the same template.
	have, want := slices.Sorted(slices.Values(st.Capabilities)), slices.Sorted(slices.Values(w.Spec.Capabilities))
	return len(have) == 0 || slices.Equal(slices.Compact(have), slices.Compact(want)), nil
}

// Fits says whether all that is known of what the stack shall be is as it is,
// the template aside. unknown names the parameters that aren't known yet.
func (w Want) Fits(st *Stack, unknown map[string][]string) bool {
	for name, value := range w.parameters() {
		if _, later := unknown[name]; !later && !slices.Contains(w.Spec.NoEcho, name) && st.Parameters[name] != value {
			return false
		}
	}
	return maps.Equal(w.tags(), st.Tags)
}

// SameTemplate says whether the stack was made from the template of that
// digest: by our record if the stack hasn't changed since, else by reading it.
func (d *Driver) SameTemplate(ctx context.Context, t axle.Target, digest string, st *Stack) (bool, error) {
	if d.memory != nil {
		if known, at, ok := d.memory.Digest(st.ID); ok && at.Equal(st.Changed()) {
			return known == digest, nil
		}
	}
	text, err := d.Template(ctx, t, st.ID)
	if err != nil {
		return false, err
	}
	if digestOf(text) != digest && !d.sameText(digest, text) {
		return false, nil
	}
	d.remember(digest, st)
	return true, nil
}

// sameText compares without what XML loses on its way: carriage returns, and
// space at the ends.
func (d *Driver) sameText(digest string, text []byte) bool {
	own, err := d.templates.Body(digest)
	return err == nil && bytes.Equal(plain(own), plain(text))
}

func plain(text []byte) []byte {
	return bytes.TrimSpace(bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n")))
}

// Digest is the identity of a template's text, as plans have it.
func Digest(text []byte) string { return digestOf(text) }

func digestOf(text []byte) string {
	sum := sha256.Sum256(text)
	return "sha256:" + hex.EncodeToString(sum[:])
}

func (d *Driver) remember(digest string, st *Stack) {
	if d.memory != nil {
		d.memory.Remember(st.ID, digest, st.Changed())
	}
}

// TemplateDigest reads the template that a stack has, and gives its digest.
func (d *Driver) TemplateDigest(ctx context.Context, t axle.Target, st *Stack) (string, error) {
	text, err := d.Template(ctx, t, st.ID)
	if err != nil {
		return "", err
	}
	return digestOf(plain(text)), nil
}
