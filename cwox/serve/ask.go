package serve

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"image/jpeg"
	"io"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"

	"cwox/cwox"
	"cwox/cwox/faithfulness"
	"cwox/cwox/report"
	"cwox/internal/outside"
	"cwox/nn/vision"
)

// probability is a class's.
type probability struct {
	Class       int     `json:"class"`
	Label       string  `json:"label"`
	Probability float64 `json:"probability"`
}

func (s *Server) probability(class int, prob []float64) probability {
	return probability{class, s.cfg.Classifier.Label(class), prob[class]}
}

// probed says what the network makes of the picture with a part of it erased.
func (s *Server) probed(w http.ResponseWriter, r *http.Request, j *job) {
	shape := s.cfg.Classifier.Net.Input()
	n := shape.H * shape.W
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, int64(n)))
	if err == nil && len(text) != n {
		err = faultf(http.StatusBadRequest, "a mask of %d bytes, want %d x %d", len(text), shape.H, shape.W)
	}
	if err != nil {
		s.complain(w, &s.engine.quick, err)
		return
	}
	mask := make([]float32, n)
	for i, v := range text {
		mask[i] = float32(v) / 255
	}
	prob, err := s.masked(r, j, mask)
	if err != nil {
		s.complain(w, &s.engine.quick, err)
		return
	}
	const most = 5
	out := struct {
		Classes []probability `json:"classes"` // the explained ones
		Top     []probability `json:"top"`     // the most probable ones now
	}{[]probability{}, []probability{}}
	if e := j.answer(); e != nil {
		for _, t := range e.Top {
			out.Classes = append(out.Classes, s.probability(t.Class, prob))
		}
	}
	for _, class := range cwox.Rank(prob)[:min(most, len(prob))] {
		out.Top = append(out.Top, s.probability(class, prob))
	}
	answer(w, http.StatusOK, out)
}

// answer is a job's explanation, nil before there is one.
func (j *job) answer() *cwox.Explanation {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.explanation
}

// masked is a pass through the network.
func (s *Server) masked(r *http.Request, j *job, mask []float32) (prob []float64, err error) {
	if failed := s.run(r, func() { prob, err = s.probe.Masked(j.picture.held, mask, s.cfg.Threads) }); failed != nil {
		return nil, failed
	}
	return prob, err
}

// Bounds of the points of a curve.
const (
	defaultPoints = 33
	maxPoints     = 225
)

// curve erases the picture step by step, the strongest pixels of a map first.
func (s *Server) curve(w http.ResponseWriter, r *http.Request, j *job) {
	text, err := short(http.MaxBytesReader(w, r.Body, 1<<10), 1<<10)
	ask := struct {
		Map    string `json:"map"`
		Points int    `json:"points"`
	}{Points: defaultPoints}
	if err == nil {
		if wrong := outside.JSON(text, &ask, 16); wrong != nil {
			err = faultf(http.StatusBadRequest, "%v", wrong)
		} else if ask.Points < 2 || ask.Points > maxPoints {
			err = faultf(http.StatusBadRequest, "%d points, want 2 to %d", ask.Points, maxPoints)
		}
	}
	e := j.answer()
	if err == nil && e == nil {
		err = faultf(http.StatusConflict, "the maps are not made yet")
	}
	if err != nil {
		s.complain(w, &s.engine.quick, err)
		return
	}
	m := mapOf(e, ask.Map)
	if m == nil {
		s.complain(w, &s.engine.quick, faultf(http.StatusNotFound, "no map %q: want cluster/0 or class/%d, for example", ask.Map, e.Top[0].Class))
		return
	}
	order := faithfulness.FromMap(*m).Order()
	mask := make([]float32, len(order))
	for i := range mask {
		mask[i] = 1
	}
	c := unhurried(w)
	w.Header().Set("Content-Type", "application/x-ndjson")
	erased := 0
	for i := range ask.Points {
		upTo := i * len(order) / (ask.Points - 1)
		for ; erased < upTo; erased++ {
			mask[order[erased]] = 0
		}
		prob, err := s.masked(r, j, mask)
		if err != nil {
			if i == 0 {
				s.complain(w, &s.engine.quick, err)
			}
			return // what came is a curve up to there
		}
		line := struct {
			Erased        float64   `json:"erased"` // share of the pixels
			Level         float32   `json:"level"`  // of the map: above it all is erased
			Probabilities []float64 `json:"probabilities"`
		}{Erased: float64(upTo) / float64(len(order))}
		if upTo < len(order) {
			line.Level = m.Data[order[upTo]]
		}
		for _, t := range e.Top {
			line.Probabilities = append(line.Probabilities, prob[t.Class])
		}
		text, err := json.Marshal(line)
		if err != nil {
			return
		}
		_ = c.SetWriteDeadline(time.Now().Add(answerTime))
		if _, err := w.Write(append(text, '\n')); err != nil || c.Flush() != nil {
			return
		}
	}
}

// Sides of pictures that are shown, in pixels.
const (
	photoSide     = 1024
	thumbnailSide = 160
)

// photo is the picture as it was decoded, for formats that browsers do not know and to be upright.
func (s *Server) photo(w http.ResponseWriter, _ *http.Request, j *job) {
	pic := j.picture.decoded()
	if t := s.cfg.Classifier.Transform; t.Channels == vision.Grey {
		grey := vision.New(pic.Width, pic.Height)
		for i := 0; i < len(pic.Pix); i += 3 {
			v := vision.Luma(pic.Pix[i], pic.Pix[i+1], pic.Pix[i+2])
			grey.Pix[i], grey.Pix[i+1], grey.Pix[i+2] = v, v, v
		}
		pic = grey
	}
	writeJPEG(w, pic, photoSide)
}

// writeJPEG answers with a picture, its longer side so long at most.
func writeJPEG(w http.ResponseWriter, pic *vision.Picture, side int) {
	if long := max(pic.Width, pic.Height); long > side {
		pic = pic.Resize(max(1, pic.Width*side/long), max(1, pic.Height*side/long))
	}
	var text bytes.Buffer
	if err := jpeg.Encode(&text, pic.Image(), &jpeg.Options{Quality: 90}); err != nil {
		refuse(w, http.StatusInternalServerError, err.Error())
		return
	}
	w.Header().Set("Content-Type", "image/jpeg")
	_, _ = w.Write(text.Bytes())
}

// report is the report of a job's explanation, in a folder beside its picture.
func (s *Server) report(w http.ResponseWriter, r *http.Request, j *job) {
	e := j.answer()
	if e == nil || !j.ended() {
		s.complain(w, nil, faultf(http.StatusConflict, "the explanation is not ready yet"))
		return
	}
	e, err := s.whole(r, j, e)
	if err != nil {
		s.complain(w, &s.engine.quick, err)
		return
	}
	name := j.picture.name
	dir := strings.TrimSuffix(name, path.Ext(name))
	if dir == name {
		dir += "-report"
	}
	var text bytes.Buffer
	z := zip.NewWriter(&text)
	err = report.Zip(z, dir, e)
	if err == nil {
		var f io.Writer
		if f, err = z.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Store}); err == nil {
			_, err = f.Write(j.picture.raw)
		}
	}
	if err == nil {
		err = z.Close()
	}
	if err != nil {
		s.complain(w, nil, err)
		return
	}
	w.Header().Set("Content-Type", "application/zip")
	w.Header().Set("Content-Disposition", `attachment; filename="report.zip"`)
	w.Header().Set("Content-Length", strconv.Itoa(text.Len()))
	_ = unhurried(w)
	_, _ = w.Write(text.Bytes())
}
