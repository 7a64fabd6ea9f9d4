package profile

import (
	"encoding/base64"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"time"
)

func (d *decoder) scalar(v reflect.Value, token token) error {
	switch v.Kind() {
	case reflect.String:
		if token.kind != '"' {
			return unexpected("a string", token)
		}
		if len(token.text) > d.lim.StringBytes {
			return fmt.Errorf("a string longer than %d bytes", d.lim.StringBytes)
		}
		v.SetString(token.text)
	case reflect.Bool:
		if token.kind != 't' && token.kind != 'f' {
			return unexpected("true or false", token)
		}
		v.SetBool(token.kind == 't')
	case reflect.Int, reflect.Int64:
		i, err := strconv.ParseInt(token.text, 10, 64)
		if token.kind != '0' || err != nil {
			return unexpected("a whole number", token)
		}
		v.SetInt(i)
	case reflect.Uint32:
		i, err := strconv.ParseUint(token.text, 10, 32)
		if token.kind != '0' || err != nil {
			return unexpected("a number from 0 to 4294967295", token)
		}
		v.SetUint(i)
	default:
		return fmt.Errorf("no decoding for %s", v.Type())
	}
	return nil
}

// path reads a path in a list: a string or {"b64": ...}.
func (d *decoder) path(v reflect.Value) error {
	token, err := d.in.next()
	if err != nil {
		return err
	}
	if token.kind != '{' {
		return d.scalar(v, token)
	}
	key, err := d.key()
	if err != nil {
		return err
	}
	if key != "b64" {
		return at(printable(key), errors.New(`no such field (a path is a string or {"b64": ...})`))
	}
	if err := d.base64(v); err != nil {
		return at(key, err)
	}
	token, err = d.in.next()
	if err == nil && token.kind != '}' {
		return errors.New(`a path has no more fields than "b64"`)
	}
	return err
}

func (d *decoder) base64(v reflect.Value) error {
	token, err := d.in.next()
	if err != nil {
		return err
	}
	if token.kind != '"' {
		return unexpected("a string of base64", token)
	}
	text := token.text
	if len(text) > d.lim.StringBytes {
		return fmt.Errorf("a string longer than %d bytes", d.lim.StringBytes)
	}
	raw, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil {
		return fmt.Errorf("not base64: %w", err)
	}
	v.SetString(string(raw))
	return nil
}

func (d *decoder) time(v reflect.Value) error {
	token, err := d.in.next()
	if err != nil {
		return err
	}
	if token.kind != '"' {
		return unexpected("a time", token)
	}
	text := token.text
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return fmt.Errorf("%q is not a time such as 2026-11-21T20:00:00Z", shorten(text))
	}
	v.Set(reflect.ValueOf(utc(t)))
	return nil
}
