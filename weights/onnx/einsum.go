package onnx

import (
	"fmt"
	"strings"
)

// Labels are those of an Einsum's operands and of its result, an axis each.
func (s *Step) Labels() (operands []string, result string, err error) {
	equation := strings.ReplaceAll(s.Text("equation", ""), " ", "")
	left, result, explicit := strings.Cut(equation, "->")
	operands = strings.Split(left, ",")
	if !explicit || strings.Contains(equation, ".") || len(operands) != len(s.In) {
		return nil, "", fmt.Errorf("equation %s of %d operands", clip(equation), len(s.In))
	}
	for i, labels := range append(operands, result) {
		for k, c := range labels {
			if strings.ContainsRune(labels[k+1:], c) || i == len(operands) && !strings.ContainsRune(left, c) {
				return nil, "", fmt.Errorf("equation %s: %c", clip(equation), c)
			}
		}
	}
	return operands, result, nil
}

// einsum is the sum of products over all labels that the result has not.
func einsum(s *Step) (*Value, error) {
	if err := s.operands(max(1, len(s.In))); err != nil {
		return nil, err
	}
	operands, result, err := s.Labels()
	if err != nil {
		return nil, err
	}
	size := map[rune]int{}
	all := result
	for i, labels := range operands {
		if len(labels) != len(s.In[i].Shape) {
			return nil, fmt.Errorf("labels %s of shape %v", labels, s.In[i].Shape)
		}
		for d, c := range labels {
			n := s.In[i].Shape[d]
			if was, ok := size[c]; ok && was != n {
				return nil, fmt.Errorf("axis %c has lengths %d and %d", c, was, n)
			}
			if size[c] = n; !strings.ContainsRune(all, c) {
				all += string(c)
			}
		}
	}
	shape := []int{}
	for _, c := range result {
		shape = append(shape, size[c])
	}
	out, fill, err := s.result(s.In[0].Type, shape)
	if !fill || err != nil {
		return out, err
	}
	var full []int
	for _, c := range all {
		full = append(full, size[c])
	}
	total, err := elements(full)
	if err == nil {
		err = s.room(total * (1 + len(s.In)))
	}
	if err != nil {
		return nil, err
	}
	products := make([]float64, total)
	for i := range products {
		products[i] = 1
	}
	for i, labels := range operands {
		own, step := strides(s.In[i].Shape), make([]int, len(all))
		for k, c := range all {
			if d := strings.IndexRune(labels, c); d >= 0 {
				step[k] = own[d]
			}
		}
		for j, v := range walk(s.In[i].doubles(), full, step, 0) {
			products[j] *= v
		}
	}
	y := make([]float64, out.Len())
	if len(y) > 0 {
		each := total / len(y)
		for i := range y {
			y[i] = sumOf(products[i*each:][:each])
		}
	}
	out.setDoubles(y)
	return out, nil
}
