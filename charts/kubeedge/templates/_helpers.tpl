{{/* Labels of every object. */}}
{{- define "edgeway.labels" -}}
app.kubernetes.io/part-of: edgeway
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/instance: {{ .Release.Name }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{/* An image with the registry before it, unless it names one. Arguments: root, image. */}}
{{- define "edgeway.image" -}}
{{- $registry := .root.Values.images.registry -}}
{{- $first := first (splitList "/" .image) -}}
{{- $named := and (contains "/" .image) (or (contains "." $first) (contains ":" $first) (eq $first "localhost")) -}}
{{- if and $registry (not $named) }}{{ $registry }}/{{ end }}{{ .image }}
{{- end }}

{{/* A port, or the default of the service type. Arguments: root, port, container. */}}
{{- define "edgeway.port" -}}
{{- if gt (int .port) 0 -}}
{{ int .port }}
{{- else if eq .root.Values.serviceType "LoadBalancer" -}}
{{ .container }}
{{- else -}}
{{ add .container 21000 }}
{{- end -}}
{{- end }}

{{/* Addresses that edge nodes dial, as JSON. */}}
{{- define "edgeway.addresses" -}}
{{- $out := .Values.cloudHub.advertiseAddress | default .Values.cluster.advertiseAddress -}}
{{- if and (not $out) (eq .Values.serviceType "NodePort") -}}
{{- $out = include "edgeway.nodeAddresses" . | fromJsonArray -}}
{{- end -}}
{{- if not $out -}}
{{- fail "cloudHub.advertiseAddress is empty and no address was found: set it to the address under which edge nodes reach this cluster" -}}
{{- end -}}
{{- toJson $out -}}
{{- end }}

{{/* The external, else the internal addresses of the first cloud node that has one. */}}
{{- define "edgeway.nodeAddresses" -}}
{{- $external := list -}}
{{- $internal := list -}}
{{- range (lookup "v1" "Node" "" "").items -}}
{{- if not (hasKey (.metadata.labels | default dict) "node-role.kubernetes.io/edge") -}}
{{- $ext := list -}}
{{- $int := list -}}
{{- range .status.addresses -}}
{{- if eq .type "ExternalIP" }}{{ $ext = append $ext .address }}{{ end -}}
{{- if eq .type "InternalIP" }}{{ $int = append $int .address }}{{ end -}}
{{- end -}}
{{- if not $external }}{{ $external = $ext }}{{ end -}}
{{- if not $internal }}{{ $internal = $int }}{{ end -}}
{{- end -}}
{{- end -}}
{{- toJson ($external | default $internal) -}}
{{- end }}

{{/* The fields that every pod takes from its settings. Arguments: root, pod. */}}
{{- define "edgeway.placement" -}}
{{- with .root.Values.images.pullSecrets -}}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with .pod.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .pod.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* Only cloud nodes: edge nodes carry the label with whatever value. */}}
{{- define "edgeway.cloudNodes" -}}
nodeAffinity:
  requiredDuringSchedulingIgnoredDuringExecution:
    nodeSelectorTerms:
      - matchExpressions:
          - key: node-role.kubernetes.io/edge
            operator: DoesNotExist
{{- end }}

{{/* Replicas on different nodes where there are some. Argument: the pods' name. */}}
{{- define "edgeway.apart" -}}
podAntiAffinity:
  preferredDuringSchedulingIgnoredDuringExecution:
    - weight: 100
      podAffinityTerm:
        topologyKey: kubernetes.io/hostname
        labelSelector:
          matchLabels: {app.kubernetes.io/name: {{ . }}}
{{- end }}

{{/* A container without any privilege. */}}
{{- define "edgeway.unprivileged" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
seccompProfile: {type: RuntimeDefault}
{{- end }}
