{{- define "console.selector" -}}
app.kubernetes.io/name: edgeway
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "console.labels" -}}
{{ include "console.selector" . }}
app.kubernetes.io/part-of: edgeway
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- define "console.image" -}}
{{- with .Values.image -}}
{{- with .registry }}{{ trimSuffix "/" . }}/{{ end }}{{ .repository }}
{{- if .digest }}@{{ .digest }}{{ else }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}
{{- end }}
{{- end }}

{{- define "console.url" -}}
{{- .Values.externalURL | default (printf "https://%s.%s.svc" .Release.Name .Release.Namespace) | trimSuffix "/" -}}
{{- end }}

{{/* What values.schema.json cannot say. */}}
{{- define "console.checks" -}}
{{- if .Values.oidc.issuerURL }}
{{- if not .Values.oidc.clientID }}{{ fail "oidc.clientID is empty: give the ID under which the console is registered at oidc.issuerURL" }}{{ end }}
{{- if not .Values.externalURL }}{{ fail "externalURL is empty: the OIDC issuer sends browsers back to it; give https://HOST[:PORT]" }}{{ end }}
{{- else if .Values.oidc.impersonate }}{{ fail "oidc.impersonate is true without an issuer: give oidc.issuerURL, or set it to false" }}
{{- end }}
{{- if and (gt (int .Values.replicas) 1) .Values.tls.persistence.enabled }}{{ fail "tls.persistence.enabled keeps one key for one pod: with several replicas give tls.secretName" }}{{ end }}
{{- if and (gt (int .Values.replicas) 1) (not .Values.tls.secretName) }}{{ fail "tls.secretName is empty: several replicas need one certificate; give a Secret" }}{{ end }}
{{- end }}
