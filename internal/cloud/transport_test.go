package cloud

import (
	"bytes"
	"io"
	"net/http"
	"testing"
)

// sent is a client that keeps the body it was given.
type sent struct{ body io.ReadCloser }

func (s *sent) Do(r *http.Request) (*http.Response, error) {
	s.body = r.Body
	return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}, nil
}

// selfWriting is a body as the SDK's are.
type selfWriting struct{ *bytes.Reader }

func (selfWriting) Close() error { return nil }

func TestBodiesDontWriteThemselves(t *testing.T) {
	s := &sent{}
	client := freeze(s)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://127.0.0.1/", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Body = selfWriting{bytes.NewReader([]byte("hello"))}
	resp, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, ok := s.body.(io.WriterTo); ok {
		t.Errorf("net/http gets a %T, which writes itself", s.body)
	}
	if text, err := io.ReadAll(s.body); err != nil || string(text) != "hello" {
		t.Errorf("got %q, %v", text, err)
	}
}
