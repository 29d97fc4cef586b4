package saliency

import "cwox/nn"

// ownSession is a session that an explainer keeps from call to call.
type ownSession struct {
	*nn.Session
	model   *nn.Model
	batch   int
	threads int
}

// open makes the session, or keeps the one there is.
func (s *ownSession) open(m *nn.Model, o nn.SessionOptions) error {
	if s.Session != nil && s.model == m && s.batch == o.Batch && s.threads == o.Threads {
		return nil
	}
	s.Close()
	made, err := m.NewSession(o)
	if err != nil {
		return err
	}
	*s = ownSession{made, m, o.Batch, o.Threads}
	return nil
}

// Close frees the session; open makes a new one.
func (s *ownSession) Close() {
	if s.Session != nil {
		s.Session.Close()
	}
	*s = ownSession{}
}
