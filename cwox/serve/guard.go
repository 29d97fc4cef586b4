package serve

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Content security policies: of the page, which has its scripts and styles in files of their own;
// and of a folder's pages, which may be anybody's. Those are made by other commands with scripts in
// them and are shown as of no origin, so that they reach nothing of the server's but themselves.
const (
	pagePolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; " +
		"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
	folderPolicy = "sandbox allow-scripts allow-downloads; default-src 'none'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; " +
		"script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

// folderCookie lets a browser that has shown the token read the folder's pages, since links carry no
// headers. It is good for nothing else.
const folderCookie = "cwox-folder"

// Times within which a client has to be done. Those of answers that take their time are set anew
// as they go on.
const (
	headerTime = 10 * time.Second
	bodyTime   = time.Minute
	answerTime = 2 * time.Minute
	idleTime   = 2 * time.Minute
)

// guard lets through what comes from where it may, with headers that say what its answer may do.
func (s *Server) guard(next http.Handler) http.Handler {
	foreign := http.NewCrossOriginProtection()
	foreign.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		refuse(w, http.StatusForbidden, "the request comes from a foreign page")
	}))
	protected := foreign.Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", pagePolicy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cache-Control", "no-store")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		switch {
		case !s.known(r.Host):
			refuse(w, http.StatusForbidden, "unknown host: the server is not known by that name (--host adds one)")
		case !sameOrigin(r):
			refuse(w, http.StatusForbidden, "the request comes from a foreign page")
		case !s.admitted(r):
			h.Set("WWW-Authenticate", "Bearer")
			refuse(w, http.StatusUnauthorized, "the token is missing or wrong: it is in the address that the server printed")
		default:
			protected.ServeHTTP(w, r)
		}
	})
}

// known says whether a Host header names the server: by an address (a foreign page would need a
// name of its own to reach it), as localhost, or by a name that it was given. Where only this
// machine is listened to the address is one of its own.
func (s *Server) known(host string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	name = strings.TrimSuffix(strings.ToLower(strings.Trim(name, "[]")), ".")
	if addr, err := netip.ParseAddr(name); err == nil {
		return addr.IsLoopback() || s.cfg.Public
	}
	return name == "localhost" || slices.ContainsFunc(s.cfg.Hosts, func(known string) bool { return strings.EqualFold(known, name) })
}

// sameOrigin says whether a request that names its origin comes from the server's own pages.
func sameOrigin(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if origin == "" {
		return true
	}
	u, err := url.Parse(origin)
	return err == nil && u.Host == r.Host
}

// admitted says whether a request needs no token, or has it. The page itself has nothing in it.
func (s *Server) admitted(r *http.Request) bool {
	if s.cfg.Token == "" {
		return true
	}
	switch {
	case strings.HasPrefix(r.URL.Path, "/folder/"):
		c, err := r.Cookie(folderCookie)
		return err == nil && same(c.Value, s.folderKey)
	case strings.HasPrefix(r.URL.Path, "/api/"):
		given, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		return ok && same(given, s.cfg.Token)
	}
	return true
}

// same compares secrets in a time that tells nothing of them.
func same(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}

// unhurried gives an answer that goes on as long as somebody reads it no end beforehand. A request
// that has been read has no more to say.
func unhurried(w http.ResponseWriter) *http.ResponseController {
	c := http.NewResponseController(w)
	_ = c.SetReadDeadline(time.Time{})
	_ = c.SetWriteDeadline(time.Now().Add(answerTime))
	return c
}

// soon is a context of a request that also ends with the server.
func (s *Server) soon(r *http.Request) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(r.Context())
	stop := context.AfterFunc(s.ctx, cancel)
	return ctx, func() { stop(); cancel() }
}
