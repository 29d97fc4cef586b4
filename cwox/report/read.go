package report

import (
	"cwox/internal/outside"
	"errors"
	"fmt"
)

// What ReadJSON reads at most; a report of 1,000 classes has 0.3 MB and 40,000 values.
const (
	maxReportBytes  = 16 << 20
	maxReportValues = 1 << 19
)

// ReadJSON reads a report.json and checks that it hangs together: every class in
// the cluster that it names, every cluster and class among the explained ones.
// Errors name the file.
func ReadJSON(path string) (*Report, error) {
	text, err := outside.Read(path, maxReportBytes)
	if err != nil {
		return nil, fmt.Errorf("report: %w", err)
	}
	r, err := decode(text)
	if err != nil {
		return nil, fmt.Errorf("report: %s: %w", path, err)
	}
	return r, nil
}

func decode(text []byte) (*Report, error) {
	r := new(Report)
	if err := outside.JSON(text, r, maxReportValues); err != nil {
		return nil, err
	}
	if err := r.check(); err != nil {
		return nil, err
	}
	return r, nil
}

// check says where a report from outside does not hang together.
func (r *Report) check() error {
	if len(r.Top) == 0 {
		return errors.New(`"top" is empty`)
	}
	if r.Input != nil && !sound(r.Input.Seen) {
		return fmt.Errorf("input: seen: %+v is no part of a picture", r.Input.Seen)
	}
	top := map[int]bool{}
	for _, t := range r.Top {
		if top[t.Class] {
			return fmt.Errorf("top: class %d twice", t.Class)
		}
		top[t.Class] = true
	}
	for _, one := range r.Each() {
		if err := one.checkClusters(top); err != nil {
			return err
		}
	}
	return nil
}

// checkClusters says where the clusters and classes of an explanation do not hang together.
func (r *Report) checkClusters(top map[int]bool) error {
	home := map[int]int{}
	for i, c := range r.Clusters {
		for _, class := range c.Classes {
			if !top[class] {
				return fmt.Errorf("cluster %d: class %d is not among the top classes", i, class)
			}
			if other, ok := home[class]; ok {
				return fmt.Errorf("class %d is in cluster %d and in cluster %d", class, other, i)
			}
			home[class] = i
		}
	}
	for _, c := range r.Classes {
		if i, ok := home[c.Class]; !ok || i != c.Cluster {
			return fmt.Errorf("class %d names cluster %d, which does not hold it", c.Class, c.Cluster)
		}
	}
	return nil
}
