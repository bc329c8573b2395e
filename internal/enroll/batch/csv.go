package batch

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/edgeway-io/edgeway/internal/enroll"
)

// columns say where the text of a CSV cell goes. Labels are read by themselves.
var columns = map[string]func(*Device, string){
	"nodeName":        func(d *Device, v string) { d.NodeName = v },
	"nodeIP":          func(d *Device, v string) { d.NodeIP = v },
	"arch":            func(d *Device, v string) { d.Arch = v },
	"runtimeEndpoint": func(d *Device, v string) { d.RuntimeEndpoint = v },
	"cgroupDriver":    func(d *Device, v string) { d.CgroupDriver = v },
	columnLabels:      nil,
}

const (
	columnNodeName = "nodeName"
	columnLabels   = "labels"
)

// columnOf finds a column by its name as people write it: case, blanks, dashes and
// underscores do not count.
func columnOf(name string) (string, bool) {
	name = fold(name)
	for column := range columns {
		if fold(column) == name {
			return column, true
		}
	}
	return "", false
}

var insignificant = strings.NewReplacer(" ", "", "_", "", "-", "", "\"", "", "\u00a0", "")

func fold(name string) string { return insignificant.Replace(strings.ToLower(strings.TrimSpace(name))) }

// sheet is a CSV text that is being read.
type sheet struct {
	reader *csv.Reader
	// before is how many lines precede what the reader reads.
	before int
	// head is the column of each cell, "" for those that have none.
	head []string
	list List
}

func parseCSV(text string) (List, error) {
	s := &sheet{}
	s.open(text)
	for {
		record, err := s.reader.Read()
		if errors.Is(err, io.EOF) {
			return s.list, nil
		}
		if err != nil {
			return List{}, s.syntax(err)
		}
		for i := range record {
			record[i] = strings.TrimSpace(record[i])
		}
		switch {
		case !slices.ContainsFunc(record, func(cell string) bool { return strings.Trim(cell, separators) != "" }):
			// Spreadsheets save empty rows as rows of separators.
		case s.head == nil:
			if err := s.readHead(record); err != nil {
				return List{}, err
			}
		default:
			s.readRow(record)
		}
	}
}

// separators of spreadsheets.
const separators = ",;\t"

// open finds out how the text is separated: by what a first line "sep=;" says, which
// spreadsheets write and read, else by what lets the head name most columns.
func (s *sheet) open(text string) {
	if !strings.Contains(text, "\n") { // line ends of old Macs
		text = strings.ReplaceAll(text, "\r", "\n")
	}
	separator := ','
	first, rest, _ := strings.Cut(text, "\n")
	first = strings.Trim(first, "\"\r ")
	if said, ok := strings.CutPrefix(strings.ToLower(first), "sep="); ok && len(said) == 1 && strings.Contains(separators, said) {
		separator, text, s.before = rune(said[0]), rest, 1
	} else {
		separator = guess(text)
	}
	s.reader = csv.NewReader(strings.NewReader(text))
	s.reader.Comma, s.reader.FieldsPerRecord = separator, -1
	// A tab is white space, too: an empty cell would vanish.
	s.reader.TrimLeadingSpace = separator != '\t'
}

func guess(text string) rune {
	best, most := ',', 0
	for line := range strings.Lines(text) {
		for _, separator := range separators {
			known := 0
			for cell := range strings.SplitSeq(line, string(separator)) {
				if _, ok := columnOf(cell); ok {
					known++
				}
			}
			if known > most {
				best, most = separator, known
			}
		}
		if strings.Trim(line, separators+"\" \r\n") != "" {
			return best
		}
	}
	return best
}

// line of a cell of the record that was read last.
func (s *sheet) line(cell int) int {
	line, _ := s.reader.FieldPos(cell)
	return s.before + line
}

func (s *sheet) syntax(err error) error {
	var bad *csv.ParseError
	if !errors.As(err, &bad) {
		return err
	}
	return fmt.Errorf("line %d: %w: put a cell with quotes, separators or line breaks in quotes, and double its own quotes", s.before+bad.StartLine, bad.Err)
}

// readHead tells everything that is wrong with it.
func (s *sheet) readHead(record []string) error {
	var faults []string
	first := map[string]string{}
	for i, name := range record {
		column, known := columnOf(name)
		switch {
		case name == "":
		case !known:
			faults = append(faults, fmt.Sprintf("there is no column %q; choose from %s", name, strings.Join(slices.Sorted(maps.Keys(columns)), ", ")))
		case first[column] != "":
			faults = append(faults, fmt.Sprintf("column %q is there already, as %q; keep one of the two", name, first[column]))
		default:
			first[column] = record[i]
		}
		s.head = append(s.head, column)
	}
	if first[columnNodeName] == "" && len(faults) == 0 {
		faults = append(faults, "there is no column nodeName; give every device its name")
	}
	if len(faults) > 0 {
		return fmt.Errorf("line %d: %s", s.line(0), strings.Join(faults, "; "))
	}
	return nil
}

func (s *sheet) readRow(record []string) {
	d, at := Device{Line: s.line(0)}, len(s.list.Devices)
	for i, value := range record {
		column := ""
		if i < len(s.head) {
			column = s.head[i]
		}
		switch {
		case value == "":
		case column == "":
			s.refuse(i, fieldOf(at, ""), value, "NoColumn", "is in a column without a name", "name the column, or clear the cell")
		case column == columnLabels:
			d.Labels = s.labels(i, at, value)
		default:
			columns[column](&d, value)
		}
	}
	s.list.Devices = append(s.list.Devices, d)
}

func (s *sheet) refuse(cell int, field, value, code, message, remedy string) {
	s.list.problems = append(s.list.problems, enroll.Problem{Line: s.line(cell), Field: field, Value: value, Code: code, Message: message, Remedy: remedy})
}

// labels reads key=value;key=value. A comma and a line break separate as well: none of
// them can be in a label.
func (s *sheet) labels(cell, device int, text string) map[string]string {
	field, out := fieldOf(device, columnLabels), map[string]string{}
	for pair := range strings.FieldsFuncSeq(text, func(r rune) bool { return strings.ContainsRune(";,\r\n", r) }) {
		pair = strings.TrimSpace(pair)
		if pair == "" {
			continue
		}
		key, value, ok := strings.Cut(pair, "=")
		key, value = strings.TrimSpace(key), strings.TrimSpace(value)
		_, again := out[key]
		switch {
		case !ok:
			s.refuse(cell, field, pair, "NotALabel", "is not a label", "write key=value, with ; between two")
		case again:
			s.refuse(cell, field, pair, "Duplicate", "gives a label a second value", "keep one of the two")
		default:
			out[key] = value
		}
	}
	return out
}
