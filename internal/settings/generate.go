package settings

//go:generate go run ./gen ../../charts/kubeedge/values.schema.json
