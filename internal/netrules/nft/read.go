package nft

import (
	"slices"

	"github.com/google/nftables/userdata"
	"golang.org/x/sys/unix"
)

// image is what the kernel holds of the table.
type image struct {
	exists   bool
	counters []string
	chains   map[string]chainImage
	sets     map[string]setImage
}

type chainImage struct {
	base hook
	// rules are the comments, in order, each with the number of expressions, so
	// that a rule with our comment but without our effect is found.
	rules []ruleImage
}

type ruleImage struct {
	comment string
	exprs   int
}

type setImage struct {
	magic, length uint32
	interval      bool
}

func nothing() {}

// readTable reads everything but set elements.
func (c *conn) readTable() (image, error) {
	img := image{chains: map[string]chainImage{}, sets: map[string]setImage{}}
	err := c.dump(unix.NFT_MSG_GETTABLE, func(*attrs) {}, nothing, func(b []byte) error {
		img.exists = img.exists || nameOf(b, unix.NFTA_TABLE_NAME) == tableName
		return nil
	})
	if err != nil || !img.exists {
		return img, err
	}
	for _, read := range []func(*image) error{c.readChains, c.readRules, c.readSets, c.readCounterNames} {
		if err := read(&img); err != nil {
			return img, err
		}
	}
	return img, nil
}

func nameOf(b []byte, attr uint16) string {
	name := ""
	_ = eachAttr(b, func(typ uint16, data []byte) error {
		if typ == attr {
			name = attrString(data)
		}
		return nil
	})
	return name
}

// inTable asks for the items of our table: all kinds name their table in
// attribute 1.
func inTable(a *attrs) { a.str(unix.NFTA_RULE_TABLE, tableName) }

func (c *conn) readChains(img *image) error {
	return c.dump(unix.NFT_MSG_GETCHAIN, func(*attrs) {}, func() { clear(img.chains) }, func(b []byte) error {
		if nameOf(b, unix.NFTA_CHAIN_TABLE) != tableName {
			return nil
		}
		name, got := "", chainImage{}
		err := eachAttr(b, func(typ uint16, data []byte) error {
			switch typ {
			case unix.NFTA_CHAIN_NAME:
				name = attrString(data)
			case unix.NFTA_CHAIN_TYPE:
				got.base.kind = attrString(data)
			case unix.NFTA_CHAIN_HOOK:
				return eachAttr(data, func(typ uint16, data []byte) error {
					switch typ {
					case unix.NFTA_HOOK_HOOKNUM:
						got.base.number = attrU32(data)
					case unix.NFTA_HOOK_PRIORITY:
						got.base.priority = int32(attrU32(data))
					}
					return nil
				})
			}
			return nil
		})
		img.chains[name] = got
		return err
	})
}

func (c *conn) readRules(img *image) error {
	reset := func() {
		for name, ch := range img.chains {
			ch.rules = nil
			img.chains[name] = ch
		}
	}
	return c.dump(unix.NFT_MSG_GETRULE, inTable, reset, func(b []byte) error {
		if nameOf(b, unix.NFTA_RULE_TABLE) != tableName {
			return nil
		}
		chain := nameOf(b, unix.NFTA_RULE_CHAIN)
		ch := img.chains[chain]
		r, err := readRule(b)
		ch.rules = append(ch.rules, r)
		img.chains[chain] = ch
		return err
	})
}

func readRule(b []byte) (ruleImage, error) {
	var r ruleImage
	err := eachAttr(b, func(typ uint16, data []byte) error {
		switch typ {
		case unix.NFTA_RULE_USERDATA:
			r.comment, _ = userdata.GetString(data, userdata.TypeComment)
		case unix.NFTA_RULE_EXPRESSIONS:
			return eachAttr(data, func(uint16, []byte) error { r.exprs++; return nil })
		}
		return nil
	})
	return r, err
}

func (c *conn) readSets(img *image) error {
	return c.dump(unix.NFT_MSG_GETSET, inTable, func() { clear(img.sets) }, func(b []byte) error {
		if nameOf(b, unix.NFTA_SET_TABLE) != tableName {
			return nil
		}
		name, got := "", setImage{}
		err := eachAttr(b, func(typ uint16, data []byte) error {
			switch typ {
			case unix.NFTA_SET_NAME:
				name = attrString(data)
			case unix.NFTA_SET_FLAGS:
				got.interval = attrU32(data)&unix.NFT_SET_INTERVAL != 0
			case unix.NFTA_SET_KEY_TYPE:
				got.magic = attrU32(data)
			case unix.NFTA_SET_KEY_LEN:
				got.length = attrU32(data)
			}
			return nil
		})
		img.sets[name] = got
		return err
	})
}

func (c *conn) readCounterNames(img *image) error {
	return c.readCounters(func() { img.counters = nil }, func(name string, _ uint64) {
		img.counters = append(img.counters, name)
		slices.Sort(img.counters)
	})
}

// readCounters calls each with the packets that every counter of ours counted.
func (c *conn) readCounters(reset func(), each func(name string, packets uint64)) error {
	return c.dump(unix.NFT_MSG_GETOBJ, inTable, reset, func(b []byte) error {
		if nameOf(b, unix.NFTA_OBJ_TABLE) != tableName {
			return nil
		}
		packets := uint64(0)
		err := eachAttr(b, func(typ uint16, data []byte) error {
			if typ != unix.NFTA_OBJ_DATA {
				return nil
			}
			return eachAttr(data, func(typ uint16, data []byte) error {
				if typ == unix.NFTA_COUNTER_PACKETS && len(data) == 8 {
					packets = uint64(attrU32(data))<<32 | uint64(attrU32(data[4:]))
				}
				return nil
			})
		})
		each(nameOf(b, unix.NFTA_OBJ_NAME), packets)
		return err
	})
}

// readElements calls each with the elements of one set. key is only valid during
// the call. reset is called before a repeated attempt.
func (c *conn) readElements(set string, reset func(), each func(key []byte, end bool)) error {
	ask := func(a *attrs) {
		a.str(unix.NFTA_SET_ELEM_LIST_TABLE, tableName)
		a.str(unix.NFTA_SET_ELEM_LIST_SET, set)
	}
	return c.dump(unix.NFT_MSG_GETSETELEM, ask, reset, func(b []byte) error {
		return eachAttr(b, func(typ uint16, data []byte) error {
			if typ != unix.NFTA_SET_ELEM_LIST_ELEMENTS {
				return nil
			}
			return eachAttr(data, func(_ uint16, data []byte) error {
				key, end, err := readElement(data)
				each(key, end)
				return err
			})
		})
	})
}

func readElement(b []byte) (key []byte, end bool, err error) {
	err = eachAttr(b, func(typ uint16, data []byte) error {
		switch typ {
		case unix.NFTA_SET_ELEM_KEY:
			return eachAttr(data, func(typ uint16, data []byte) error {
				if typ == unix.NFTA_DATA_VALUE {
					key = data
				}
				return nil
			})
		case unix.NFTA_SET_ELEM_FLAGS:
			end = attrU32(data)&unix.NFT_SET_ELEM_INTERVAL_END != 0
		}
		return nil
	})
	return key, end, err
}
