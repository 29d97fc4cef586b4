//go:build !js

package weights

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"sync/atomic"
	"time"

	"cwox/internal/outside"
	"cwox/internal/place"
	"cwox/internal/say"
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
	maxFetch   int64 = 1 << 30     // bytes; four times the largest known file
	fetchPause       = time.Second // before the second try; it doubles each time
	// At the ticks, every rateWindow, at least leastBytes must have come since the last one.
	rateTicks = func() (<-chan time.Time, func()) {
		t := time.NewTicker(rateWindow)
		return t.C, t.Stop
	}
)

const (
	rateWindow = 60 * time.Second
	leastBytes = 60 << 10 // 1 KiB/s
)

// Fetch brings an official file into the cache directory and returns its path. A file
// that is there already, with the right hash, is left alone. What arrives is kept in
// NAME.part, so that a broken or interrupted download goes on where it stopped, at once
// after a cut connection, or at the next call. The file gets its name only once its
// SHA-256 is right. Where another program fetches the same file, Fetch waits for it.
func Fetch(ctx context.Context, k KnownFile, o FetchOptions) (path string, err error) {
	d, err := newDownload(k, o)
	if err != nil {
		return "", fmt.Errorf("weights: fetch %s: %w", k.Name, err)
	}
	dir, err := CacheDir()
	if err != nil {
		return "", err
	}
	if d.dir, err = place.Make(dir); err != nil {
		return "", fmt.Errorf("weights: %w", err)
	}
	defer d.dir.Close()
	if err := d.run(ctx); err != nil {
		return "", fmt.Errorf("weights: fetch %s: %w", shown(d.url), err)
	}
	return d.dir.Path(k.Name), nil
}

// download is one Fetch.
type download struct {
	KnownFile
	FetchOptions
	url *url.URL
	dir *place.Dir

	part    *os.File // open and locked while running, at its end
	done    int64    // its size
	resumed bool     // whether it begins with bytes of an earlier call
}

func newDownload(k KnownFile, o FetchOptions) (*download, error) {
	if o.BaseURL == "" {
		o.BaseURL = DefaultBaseURL
	}
	if o.Client == nil {
		o.Client = defaultClient
	}
	if o.Progress == nil {
		o.Progress = func(int64, int64) {}
	}
	base, err := url.Parse(o.BaseURL)
	if err != nil { // which may quote a password
		return nil, errors.New("the folder to fetch from is no URL")
	}
	if err := overHTTP(base); err != nil {
		return nil, err
	}
	return &download{KnownFile: k, FetchOptions: o, url: base.JoinPath(k.Name)}, nil
}

// overHTTP is an error if a URL is not one of http or https.
func overHTTP(u *url.URL) error {
	if u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
		return fmt.Errorf("%s: want a URL that begins with https:// or http://", shown(u))
	}
	return nil
}

// shown is a URL for messages, without its secrets.
func shown(u *url.URL) string {
	public := *u
	if public.RawQuery != "" {
		public.RawQuery = "..."
	}
	return say.Clean(public.Redacted())
}

var defaultClient = &http.Client{
	Transport: func() http.RoundTripper {
		t := http.DefaultTransport.(*http.Transport).Clone() // with ProxyFromEnvironment
		t.ResponseHeaderTimeout = rateWindow
		t.DisableCompression = true
		return t
	}(),
	CheckRedirect: func(r *http.Request, via []*http.Request) error {
		if via[0].URL.Scheme == "https" && r.URL.Scheme != "https" {
			return finalError{fmt.Errorf("redirected from https to %s", shown(r.URL))}
		}
		if err := overHTTP(r.URL); err != nil {
			return finalError{fmt.Errorf("redirected to %w", err)}
		}
		if len(via) >= 10 {
			return finalError{errors.New("redirected ten times")}
		}
		return nil
	},
}

func (d *download) run(ctx context.Context) error {
	if err := d.openPart(ctx); err != nil || d.part == nil {
		return err
	}
	defer func() {
		if d.done == 0 {
			d.dir.Remove(d.partName())
		}
		d.part.Close()
	}()
	if d.resumed {
		if hash, err := hashOf(d.part); err == nil && hash == d.SHA256 {
			return d.commit() // all was there but the name
		}
	}
	for {
		if err := d.tryAll(ctx); err != nil {
			return err
		}
		hash, err := hashOf(d.part)
		if err != nil {
			return err
		}
		if hash == d.SHA256 {
			return d.commit()
		}
		again := d.resumed // perhaps what was there from before was wrong: once more, all of it
		if err := d.restart(); err != nil {
			return err
		}
		if !again {
			return fmt.Errorf("wrong content: its SHA-256 is %s, want %s", hash, d.SHA256)
		}
	}
}

func (d *download) partName() string { return d.Name + ".part" }

// here tells whether the file is there and right.
func (d *download) here() bool {
	file, err := outside.Open(d.dir.Path(d.Name))
	if err != nil {
		return false
	}
	defer file.Close()
	hash, err := hashOf(file)
	return err == nil && hash == d.SHA256
}

// openPart opens the part file for this program alone. It waits for another one that has it,
// and leaves d.part nil if then, or at once, the file itself is there.
func (d *download) openPart(ctx context.Context) error {
	for ; ; d.Progress(d.done, -1) {
		if d.here() {
			return nil
		}
		part, err := d.openFile()
		if err != nil {
			return err
		}
		switch err := place.Lock(part); {
		case errors.Is(err, place.ErrLocked):
			if info, err := part.Stat(); err == nil {
				d.done = info.Size()
			}
		case !d.named(part): // the other gave it its name before it was locked
		default: // locked, or there are no locks here
			d.part = part
			d.done, err = part.Seek(0, io.SeekEnd)
			d.resumed = d.done > 0
			return err
		}
		part.Close()
		select {
		case <-ctx.Done():
			return fmt.Errorf("interrupted while another program was fetching it: %w", ctx.Err())
		case <-time.After(fetchPause):
		}
	}
}

// openFile opens the part file, or makes it. It follows no link, which might lead to a file
// that is not of the cache.
func (d *download) openFile() (*os.File, error) {
	root, name := d.dir.Root(), d.partName()
	switch info, err := root.Lstat(name); {
	case errors.Is(err, fs.ErrNotExist):
		file, err := root.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o666)
		if !errors.Is(err, fs.ErrExist) {
			return file, err
		}
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is a link or no regular file: remove it", d.dir.Path(name))
	}
	file, err := root.OpenFile(name, os.O_RDWR, 0)
	if err == nil && !d.named(file) {
		file.Close()
		err = fmt.Errorf("%s was replaced while it was opened", d.dir.Path(name))
	}
	return file, err
}

// named tells whether a file is the one that has the part file's name.
func (d *download) named(file *os.File) bool {
	mine, err := file.Stat()
	there, err2 := d.dir.Root().Lstat(d.partName())
	return err == nil && err2 == nil && os.SameFile(mine, there)
}

// commit gives the part file its name.
func (d *download) commit() error {
	if err := errors.Join(d.part.Sync(), d.part.Close()); err != nil {
		return err
	}
	err := d.dir.Rename(d.partName(), d.Name)
	if err != nil && d.here() {
		return nil // without locks another program may have been faster
	}
	return err
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
		case d.done > before && !errors.As(err, new(slowError)):
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

// slowError is one of a server that sends less than it should.
type slowError struct{ bytes int64 }

func (e slowError) Error() string {
	if e.bytes == 0 {
		return fmt.Sprintf("nothing came for %s", rateWindow)
	}
	return fmt.Sprintf("only %d bytes came in %s, less than 1 KiB a second", e.bytes, rateWindow)
}

// watch cancels a request of which less than leastBytes came between two ticks.
func watch(ctx context.Context, cancel context.CancelCauseFunc, ticks <-chan time.Time, came *atomic.Int64) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticks:
			if n := came.Swap(0); n < leastBytes {
				cancel(slowError{n})
				return
			}
		}
	}
}

// request asks once for what is missing and appends it to the part file.
func (d *download) request(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var came atomic.Int64
	ticks, stop := rateTicks()
	defer stop()
	go watch(ctx, cancel, ticks, &came)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.url.String(), nil)
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
		return fmt.Errorf("the server answered %s", say.Clean(resp.Status))
	default:
		return finalError{fmt.Errorf("the server answered %s", say.Clean(resp.Status))}
	}
	if total > maxFetch {
		return finalError{fmt.Errorf("the server announces %d bytes, at most %d are fetched", total, maxFetch)}
	}
	body := readerFunc(func(b []byte) (int, error) {
		n, err := resp.Body.Read(b)
		came.Add(int64(n))
		return n, cause(ctx, err)
	})
	return d.receive(body, total)
}

type readerFunc func(b []byte) (int, error)

func (f readerFunc) Read(b []byte) (int, error) { return f(b) }

// cause is err, or why the context ended where it did; it drops the URL that net/http
// puts before an error, and says what to do about certificates.
func cause(ctx context.Context, err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	if c := context.Cause(ctx); c != nil {
		return c
	}
	if u := (*url.Error)(nil); errors.As(err, &u) {
		err = u.Err
	}
	switch {
	case errors.As(err, new(x509.UnknownAuthorityError)), errors.As(err, new(x509.SystemRootsError)):
		return finalError{fmt.Errorf("%w: a container without certificates, or a proxy with its own, needs them: "+
			"install or mount ca-certificates, or name a file with them in SSL_CERT_FILE; "+
			"or carry the file here by hand and check it with 'cwox weights verify'", err)}
	case errors.As(err, new(*tls.CertificateVerificationError)):
		return finalError{err}
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
