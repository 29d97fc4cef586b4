package serve

import (
	"context"
	"crypto/rand"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"net"
	"net/http"
	"os"
	"time"

	"cwox/cwox"
	"cwox/hlta"
	"cwox/nn/vision"
)

// Config is what a server explains, and for whom.
type Config struct {
	Classifier *cwox.Classifier
	// Options are those of a request: the settings of 'cwox explain' by their flags' names, without
	// the dashes in front. An error is the client's. Every call makes an explainer of its own.
	Options func(settings map[string]json.RawMessage) (cwox.Options, error)
	// Settings are those that a request has if it names none, for the page to show.
	Settings map[string]any
	// Tree is the label tree that Options cut, of TreeFile; nil where there is none.
	Tree     *hlta.Tree
	TreeFile string

	Examples []Example
	Folder   *os.Root // of pages to show; nil where there is none
	Pages    []Page   // in it

	// Public says that others than this machine are listened to: Token is needed then, and where
	// files lie is not told.
	Public bool
	Token  string   // that clients have to know; "" where none is needed
	Hosts  []string // names of the server, beside localhost and addresses

	Version string // of the program, to show
	Threads int    // 0 means GOMAXPROCS
	Decode  vision.Options
	// Limits; 0 means the default.
	MaxUpload int64 // bytes of a picture's file; 32 MiB
	MaxMemory int64 // bytes of the pictures and answers that are kept; 512 MiB
	MaxJobs   int   // that are kept; 256
	Queue     int   // slow work that may wait; 16. Of quick work it is eight times as much
}

// Example is a picture to begin with.
type Example struct {
	Name string // of its file
	Read func() ([]byte, error)
}

// Page is a page of the folder.
type Page struct {
	Title string `json:"title"`
	Path  string `json:"path"` // in the folder
}

// Defaults of Config.
const (
	defaultUpload = 32 << 20
	defaultMemory = 512 << 20
	defaultJobs   = 256
	defaultQueue  = 16
	quickPerSlow  = 8
	uploads       = 4 // that are read and decoded at a time
	uploadsWait   = 64
)

// Server is a web server for one classifier.
type Server struct {
	cfg       Config
	handler   http.Handler
	folderKey string // of folderCookie
	store     *store
	engine    *engine

	// Of the engine: one pipeline for each kind of work, since slow work lets others in between.
	quick, slow, probe *cwox.Pipeline

	uploading chan struct{} // holds one for each upload that is read
	waiting   chan struct{} // and for each that is read or waits

	ctx  context.Context // ends with the server
	stop context.CancelFunc
}

//go:embed page
var pageFiles embed.FS

// New makes a server. It computes nothing before Serve, or Run, is called.
func New(cfg Config) (*Server, error) {
	switch {
	case cfg.Classifier == nil || cfg.Options == nil:
		return nil, errors.New("serve: a server needs a classifier, and options for it")
	case cfg.Public && cfg.Token == "":
		return nil, errors.New("serve: others than this machine are listened to, but no token is needed")
	case cfg.Queue < 0 || cfg.MaxJobs < 0 || cfg.MaxMemory < 0 || cfg.MaxUpload < 0:
		return nil, errors.New("serve: a limit is negative")
	}
	cfg.MaxUpload = orDefault(cfg.MaxUpload, defaultUpload)
	cfg.MaxMemory = orDefault(cfg.MaxMemory, defaultMemory)
	cfg.MaxJobs = int(orDefault(int64(cfg.MaxJobs), defaultJobs))
	cfg.Queue = int(orDefault(int64(cfg.Queue), defaultQueue))
	cfg.Decode.MaxBytes = cfg.MaxUpload
	c := cfg.Classifier
	s := &Server{cfg: cfg, folderKey: rand.Text(), store: newStore(cfg.MaxJobs, cfg.MaxMemory),
		engine: newEngine(quickPerSlow*cfg.Queue, cfg.Queue), quick: cwox.New(c), slow: cwox.New(c), probe: cwox.New(c),
		uploading: make(chan struct{}, uploads), waiting: make(chan struct{}, uploadsWait)}
	s.ctx, s.stop = context.WithCancel(context.Background())
	page, err := fs.Sub(pageFiles, "page")
	if err != nil {
		return nil, fmt.Errorf("serve: %w", err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /", http.FileServerFS(page))
	mux.HandleFunc("GET /healthz", s.health)
	mux.HandleFunc("GET /api/model", s.model)
	mux.HandleFunc("POST /api/explain", s.explain)
	mux.HandleFunc("GET /api/jobs/{id}", s.withJob(s.job))
	mux.HandleFunc("DELETE /api/jobs/{id}", s.withJob(s.end))
	mux.HandleFunc("GET /api/jobs/{id}/events", s.withJob(s.events))
	mux.HandleFunc("POST /api/jobs/{id}/probe", s.withJob(s.probed))
	mux.HandleFunc("POST /api/jobs/{id}/curve", s.withJob(s.curve))
	mux.HandleFunc("GET /api/jobs/{id}/picture", s.withJob(s.photo))
	mux.HandleFunc("GET /api/jobs/{id}/report.zip", s.withJob(s.report))
	mux.HandleFunc("GET /api/examples/{n}", s.thumbnail)
	mux.HandleFunc("POST /api/session", s.session)
	if cfg.Folder != nil {
		mux.Handle("GET /folder/", http.StripPrefix("/folder/", s.folder()))
	}
	s.handler = s.guard(mux)
	return s, nil
}

func orDefault(v, otherwise int64) int64 {
	if v == 0 {
		return otherwise
	}
	return v
}

// Handler answers requests, with all the guards. Run computes what they ask for.
func (s *Server) Handler() http.Handler { return s.handler }

// Run computes what is asked for, until the context ends. It is called once.
func (s *Server) Run(ctx context.Context) {
	context.AfterFunc(ctx, s.stop)
	s.engine.loop(ctx)
	s.stop()
	for _, p := range []*cwox.Pipeline{s.quick, s.slow, s.probe} {
		p.Close()
	}
}

// Serve answers the connections of a listener until the context ends, and returns its error. Answers
// that are under way then have a moment to end.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	computed := make(chan struct{})
	go func() { defer close(computed); s.Run(ctx) }()
	web := &http.Server{
		Handler:           s.handler,
		ReadHeaderTimeout: headerTime, ReadTimeout: bodyTime, WriteTimeout: answerTime, IdleTimeout: idleTime,
		MaxHeaderBytes: 32 << 10,
		ErrorLog:       log.New(io.Discard, "", 0), // of clients' mistakes
	}
	failed := make(chan error, 1)
	go func() { failed <- web.Serve(l) }()
	select {
	case err := <-failed:
		s.stop()
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	const moment = 500 * time.Millisecond
	soon, cancel := context.WithTimeout(context.Background(), moment)
	defer cancel()
	if web.Shutdown(soon) != nil {
		web.Close()
	}
	select {
	case <-computed:
	case <-soon.Done(): // a pass through the network is not broken off; the program ends
	}
	return ctx.Err()
}
