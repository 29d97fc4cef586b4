package serve

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime/multipart"
	"net/http"
	"path"
	"strings"

	"cwox/cwox"
	"cwox/cwox/saliency"
	"cwox/internal/outside"
	"cwox/internal/place"
	"cwox/nn/vision"
)

// isQuick says whether an explanation takes a moment, as far as can be told beforehand.
func isQuick(o *cwox.Options) bool {
	few := o.TopK <= quickClasses && len(o.Classes) <= quickClasses && (o.Cumulative == 0 || o.TopK > 0)
	classes := 0
	for _, c := range o.Clusters {
		classes += len(c)
	}
	switch o.Explainer.(type) {
	case *saliency.RISE, *saliency.LIME:
		return false
	}
	return few && classes <= quickClasses
}

// settings are what a client asks for.
type settings struct {
	text   json.RawMessage
	values map[string]json.RawMessage
}

// read reads the parts of a question.
func (s *Server) read(r *http.Request) (*picture, *settings, error) {
	parts, err := r.MultipartReader()
	if err != nil {
		return nil, nil, faultf(http.StatusBadRequest, "want multipart/form-data: %v", err)
	}
	var p *picture
	set := &settings{text: json.RawMessage("{}")}
	for {
		part, err := parts.NextPart()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, nil, bad(err)
		}
		name := part.FormName()
		if (name == "image" || name == "of" || name == "example") && p != nil {
			return nil, nil, faultf(http.StatusBadRequest, "more than one picture")
		}
		switch name {
		case "image":
			p, err = s.upload(part)
		case "of":
			p, err = s.pictureOf(part)
		case "example":
			p, err = s.example(part)
		case "settings":
			set, err = readSettings(part)
		default:
			err = faultf(http.StatusBadRequest, "unknown field %q: want image, of or example, and settings", name)
		}
		if err != nil {
			return nil, nil, err
		}
	}
	if p == nil {
		return nil, nil, faultf(http.StatusBadRequest, "no picture: want a field image with a file, of with a job's id, or example with a number")
	}
	return p, set, nil
}

// bad is the error of a body that cannot be read.
func bad(err error) error {
	if errors.As(err, new(*http.MaxBytesError)) {
		return err
	}
	return faultf(http.StatusBadRequest, "%v", err)
}

// short reads a field of a few bytes.
func short(part io.Reader, most int64) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(part, most+1))
	switch {
	case err != nil:
		return nil, bad(err)
	case int64(len(text)) > most:
		return nil, faultf(http.StatusRequestEntityTooLarge, "a field of more than %d bytes", most)
	}
	return text, nil
}

func readSettings(part io.Reader) (*settings, error) {
	text, err := short(part, maxSettingsBytes)
	if err != nil {
		return nil, err
	}
	set := &settings{values: map[string]json.RawMessage{}}
	if err := outside.JSON(text, &set.values, maxSettingsValues); err != nil {
		return nil, faultf(http.StatusBadRequest, "settings: %v", err)
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, text); err != nil || set.values == nil {
		return nil, faultf(http.StatusBadRequest, "settings: want an object")
	}
	set.text = compact.Bytes()
	return set, nil
}

// upload decodes an uploaded file. Its name is a client's: what is left of it is a file's name
// without folders, for the report.
func (s *Server) upload(part *multipart.Part) (*picture, error) {
	raw, err := io.ReadAll(io.LimitReader(part, s.cfg.MaxUpload+1))
	if err != nil {
		return nil, bad(err)
	}
	if int64(len(raw)) > s.cfg.MaxUpload {
		return nil, &http.MaxBytesError{Limit: s.cfg.MaxUpload}
	}
	return s.decode(fileName(part.FileName()), raw)
}

func (s *Server) decode(name string, raw []byte) (*picture, error) {
	pic, err := vision.Decode(name, raw, s.cfg.Decode)
	if errors.Is(err, vision.ErrLimit) {
		return nil, faultf(http.StatusRequestEntityTooLarge, "%v", err)
	}
	if err != nil {
		return nil, faultf(http.StatusUnprocessableEntity, "%v", err)
	}
	return s.store.hold(name, raw, pic), nil
}

// fileName is a name that a file can have anywhere.
func fileName(given string) string {
	name := place.Name(path.Base(strings.ReplaceAll(given, `\`, "/")))
	ext := path.Ext(name)
	if len(ext) > 8 {
		ext = ""
	}
	stem := strings.ToValidUTF8(strings.TrimSuffix(name, ext), "")
	if strings.Trim(stem, "_.") == "" {
		stem = "picture"
	}
	if len(stem)+len(ext) > maxNameBytes {
		stem = strings.ToValidUTF8(stem[:maxNameBytes-len(ext)], "")
	}
	return stem + ext
}

func (s *Server) pictureOf(part io.Reader) (*picture, error) {
	id, err := short(part, 64)
	if err != nil {
		return nil, err
	}
	j := s.store.get(string(id))
	if j == nil {
		return nil, gone
	}
	return j.picture, nil
}
