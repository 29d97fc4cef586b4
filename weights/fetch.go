package weights

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// FetchOptions are the settings of Fetch.
type FetchOptions struct {
	// BaseURL is the folder to fetch from, a mirror for instance; DefaultBaseURL if empty.
	BaseURL string
	// Client makes the requests. The default one uses the proxies of the environment
	// (HTTPS_PROXY, NO_PROXY ...) and does not follow a redirection from https to http.
	Client *http.Client
	// Progress is called, on the goroutine of Fetch, with the number of bytes on disk and
	// of the whole file (-1 where the server does not say).
	Progress func(done, total int64)
}

const fetchTries = 4 // requests in a row that bring nothing new

// Variables for the tests' sake.
var (
	maxFetch     int64 = 1 << 30          // bytes; four times the largest known file
	fetchPause         = time.Second      // before the second try; it doubles each time
	stallTimeout       = 60 * time.Second // without a byte
)

// Fetch brings an official file into the cache directory and returns its path. A file
// that is there already, with the right hash, is left alone. What arrives is kept in
// NAME.part, so that a broken or interrupted download goes on where it stopped, at once
// after a cut connection, or at the next call. The file gets its name only once its
// SHA-256 begins as the name says.
func Fetch(ctx context.Context, k KnownFile, o FetchOptions) (path string, err error) {
	dir, err := CacheDir()
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return "", fmt.Errorf("weights: %w", err)
	}
	d := newDownload(k, dir, o)
	if err := d.run(ctx); err != nil {
		return "", fmt.Errorf("weights: fetch %s: %w", d.url, err)
	}
	return d.path, nil
}

// download is one Fetch.
type download struct {
	KnownFile
	FetchOptions
	url, path string

	part    *os.File // open while running, at its end
	done    int64    // its size
	resumed bool     // whether it begins with bytes of an earlier call
}

func newDownload(k KnownFile, dir string, o FetchOptions) *download {
	if o.BaseURL == "" {
		o.BaseURL = DefaultBaseURL
	}
	if o.Client == nil {
		o.Client = defaultClient
	}
	if o.Progress == nil {
		o.Progress = func(int64, int64) {}
	}
	return &download{
		KnownFile:    k,
		FetchOptions: o,
		url:          strings.TrimSuffix(o.BaseURL, "/") + "/" + k.Name,
		path:         filepath.Join(dir, k.Name),
	}
}

var defaultClient = &http.Client{
	Transport: func() http.RoundTripper {
		t := http.DefaultTransport.(*http.Transport).Clone() // with ProxyFromEnvironment
		t.ResponseHeaderTimeout = stallTimeout
		t.DisableCompression = true
		return t
	}(),
	CheckRedirect: func(r *http.Request, via []*http.Request) error {
		if via[0].URL.Scheme == "https" && r.URL.Scheme != "https" {
			return fmt.Errorf("redirected from https to %s", r.URL)
		}
		if len(via) >= 10 {
			return errors.New("redirected ten times")
		}
		return nil
	},
}

func (d *download) run(ctx context.Context) error {
	if file, err := os.Open(d.path); err == nil {
		hash, err := hashOf(file)
		file.Close()
		if err == nil && strings.HasPrefix(hash, d.HashPrefix()) {
			return nil
		}
	}
	part, err := os.OpenFile(d.path+".part", os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return err
	}
	defer func() {
		part.Close()
		if d.done == 0 {
			os.Remove(part.Name())
		}
	}()
	d.part = part
	if d.done, err = part.Seek(0, io.SeekEnd); err != nil {
		return err
	}
	d.resumed = d.done > 0
	if hash, err := hashOf(part); err == nil && strings.HasPrefix(hash, d.HashPrefix()) {
		return commit(part, d.path) // all was there but the name
	}
	for {
		if err := d.tryAll(ctx); err != nil {
			return err
		}
		hash, err := hashOf(part)
		if err != nil {
			return err
		}
		if strings.HasPrefix(hash, d.HashPrefix()) {
			return commit(part, d.path)
		}
		again := d.resumed // perhaps what was there from before was wrong: once more, all of it
		if err := d.restart(); err != nil {
			return err
		}
		if !again {
			return fmt.Errorf("wrong content: its SHA-256 is %s, want one that begins with %s", hash, d.HashPrefix())
		}
	}
}

// tryAll asks until everything is there.
func (d *download) tryAll(ctx context.Context) error {
	pause := fetchPause
	for try := 1; ; try++ {
		before := d.done
		err := d.request(ctx)
		var final finalError
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return fmt.Errorf("interrupted after %d bytes, the same command goes on from there: %w", d.done, ctx.Err())
		case errors.As(err, &final):
			return final.error
		case d.done > before:
			try, pause = 0, fetchPause
		case try >= fetchTries:
			return fmt.Errorf("%w (gave up after %d tries; the same command goes on after the %d bytes it has)", err, try, d.done)
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
		if try > 0 {
			pause *= 2
		}
	}
}

// finalError is one that asking again does not help.
type finalError struct{ error }

// request asks once for what is missing and appends it to the part file.
func (d *download) request(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stall := time.AfterFunc(stallTimeout, func() { cancel(fmt.Errorf("nothing came for %s", stallTimeout)) })
	defer stall.Stop()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.url, nil)
	if err != nil {
		return finalError{err}
	}
	req.Header.Set("Accept-Encoding", "identity")
	if d.done > 0 {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", d.done))
	}
	resp, err := d.Client.Do(req)
	if err != nil {
		return cause(ctx, err)
	}
	defer resp.Body.Close()
	total := int64(-1)
	switch code := resp.StatusCode; {
	case code == http.StatusOK: // all of it, whatever was asked for
		if err := d.restart(); err != nil {
			return finalError{err}
		}
		total = resp.ContentLength
	case code == http.StatusPartialContent && d.done > 0:
		var first, last int64
		if _, err := fmt.Sscanf(resp.Header.Get("Content-Range"), "bytes %d-%d/%d", &first, &last, &total); err != nil || first != d.done {
			got := resp.Header.Get("Content-Range")
			return errors.Join(fmt.Errorf("the server sent Content-Range %s, want one from byte %d", quote(got), d.done), d.restart())
		}
	case code == http.StatusRequestedRangeNotSatisfiable && d.done > 0:
		return errors.Join(fmt.Errorf("the server has no byte %d", d.done), d.restart())
	case code >= 500 || code == http.StatusTooManyRequests || code == http.StatusRequestTimeout:
		return fmt.Errorf("the server answered %s", resp.Status)
	default:
		return finalError{fmt.Errorf("the server answered %s", resp.Status)}
	}
	if total > maxFetch {
		return finalError{fmt.Errorf("the server announces %d bytes, at most %d are fetched", total, maxFetch)}
	}
	body := readerFunc(func(b []byte) (int, error) {
		stall.Reset(stallTimeout)
		n, err := resp.Body.Read(b)
		return n, cause(ctx, err)
	})
	return d.receive(body, total)
}

type readerFunc func(b []byte) (int, error)

func (f readerFunc) Read(b []byte) (int, error) { return f(b) }

// cause is err, or why the context ended where it did; it drops the URL that net/http
// puts before an error.
func cause(ctx context.Context, err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	if c := context.Cause(ctx); c != nil {
		return c
	}
	if u := (*url.Error)(nil); errors.As(err, &u) {
		return u.Err
	}
	return err
}

// receive appends a body to the part file. total is the size of the whole file or -1.
func (d *download) receive(body io.Reader, total int64) error {
	limit := maxFetch
	if total >= 0 {
		limit = total
	}
	d.Progress(d.done, total)
	buf := make([]byte, 1<<16)
	for {
		n, err := body.Read(buf)
		if int64(n) > limit-d.done {
			return finalError{errors.Join(fmt.Errorf("the server sends more than %d bytes", limit), d.restart())}
		}
		if n > 0 {
			if _, err := d.part.Write(buf[:n]); err != nil {
				return finalError{err}
			}
			d.done += int64(n)
			d.Progress(d.done, total)
		}
		switch {
		case err == io.EOF && total >= 0 && d.done < total:
			return fmt.Errorf("the connection ended after %d of %d bytes", d.done, total)
		case err == io.EOF:
			return nil
		case err != nil:
			return fmt.Errorf("after %d bytes: %w", d.done, err)
		}
	}
}

// restart empties the part file.
func (d *download) restart() error {
	d.done, d.resumed = 0, false
	if err := d.part.Truncate(0); err != nil {
		return err
	}
	_, err := d.part.Seek(0, io.SeekStart)
	return err
}

// hashOf is the SHA-256 of a whole file in lower-case hex; it leaves the file at its end.
func hashOf(file *os.File) (string, error) {
	h := sha256.New()
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return "", err
	}
	if _, err := io.Copy(h, file); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
