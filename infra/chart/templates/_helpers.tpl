{{/* Names and labels */}}

{{- define "meterfold.name" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 40 | trimSuffix "-" }}{{ else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 40 | trimSuffix "-" }}{{ end }}
{{- end }}

{{/* Takes (list root component). */}}
{{- define "meterfold.selector" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: {{ $root.Chart.Name }}
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{/* Takes (list root component). */}}
{{- define "meterfold.labels" -}}
{{- $root := index . 0 -}}
{{ include "meterfold.selector" . }}
app.kubernetes.io/version: {{ $root.Values.image.tag | default $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "meterfold.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{/* Where the database's URL lies: a Secret that is there already, or ours. */}}
{{- define "meterfold.databaseSecret" -}}
{{ .Values.database.existingSecret | default (printf "%s-database" (include "meterfold.name" .)) }}
{{- end }}

{{- define "meterfold.databaseUrl" -}}
{{ required "say where the log lies: database.url, or database.existingSecret" .Values.database.url }}
{{- end }}

{{- define "meterfold.temporalAddress" -}}
{{ required "say where Temporal is: temporal.address" .Values.temporal.address }}
{{- end }}

{{/* What every container of meterfold gets */}}

{{/* Takes (list root secret): the Secret that holds the database's URL. */}}
{{- define "meterfold.env" -}}
{{- $root := index . 0 -}}
{{- with $root.Values -}}
- name: DATABASE_URL
  valueFrom:
    secretKeyRef: { name: {{ index $ 1 }}, key: {{ .database.secretKey }} }
- { name: TEMPORAL_ADDRESS, value: {{ include "meterfold.temporalAddress" $root | quote }} }
- { name: TEMPORAL_NAMESPACE, value: {{ .temporal.namespace | quote }} }
{{- if .temporal.apiKey.existingSecret }}
- name: TEMPORAL_API_KEY
  valueFrom:
    secretKeyRef: { name: {{ .temporal.apiKey.existingSecret }}, key: {{ .temporal.apiKey.secretKey }} }
{{- end }}
{{- if .temporal.tls.enabled }}
- { name: TEMPORAL_TLS, value: "true" }
{{- with .temporal.tls.serverName }}
- { name: TEMPORAL_TLS_SERVER_NAME, value: {{ . | quote }} }
{{- end }}
{{- if .temporal.tls.clientSecret }}
- { name: TEMPORAL_TLS_CLIENT_CERT_PATH, value: /etc/meterfold/temporal-client/tls.crt }
- { name: TEMPORAL_TLS_CLIENT_KEY_PATH, value: /etc/meterfold/temporal-client/tls.key }
{{- end }}
{{- if .temporal.tls.caSecret }}
- { name: TEMPORAL_TLS_SERVER_CA_CERT_PATH, value: /etc/meterfold/temporal-ca/ca.crt }
{{- end }}
{{- end }}
{{- range $name, $value := .settings }}
- { name: {{ $name }}, value: {{ $value | toString | quote }} }
{{- end }}
{{- with .extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}
{{- end }}

{{/* A container of meterfold; takes (list root name command secret), and as a fifth more of its env, as YAML. */}}
{{- define "meterfold.container" -}}
{{- $root := index . 0 -}}
name: {{ index . 1 }}
image: {{ include "meterfold.image" $root }}
imagePullPolicy: {{ $root.Values.image.pullPolicy }}
args: {{ index . 2 | toJson }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: { drop: [ALL] }
env:
  {{- include "meterfold.env" (list $root (index . 3)) | nindent 2 }}
  {{- if gt (len .) 4 }}
  {{- index . 4 | nindent 2 }}
  {{- end }}
volumeMounts:
  - { name: tmp, mountPath: /tmp }
  {{- with $root.Values.temporal.tls }}
  {{- if and .enabled .clientSecret }}
  - { name: temporal-client, mountPath: /etc/meterfold/temporal-client, readOnly: true }
  {{- end }}
  {{- if and .enabled .caSecret }}
  - { name: temporal-ca, mountPath: /etc/meterfold/temporal-ca, readOnly: true }
  {{- end }}
  {{- end }}
{{- end }}

{{/* The fields of a pod's spec that are the same for all. Restricted Pod Security, and no token of the API server. */}}
{{- define "meterfold.pod" -}}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 1000
  runAsGroup: 1000
  fsGroup: 1000
  seccompProfile: { type: RuntimeDefault }
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
volumes:
  - { name: tmp, emptyDir: {} }
  {{- with .Values.temporal.tls }}
  {{- if and .enabled .clientSecret }}
  - { name: temporal-client, secret: { secretName: {{ .clientSecret }} } }
  {{- end }}
  {{- if and .enabled .caSecret }}
  - { name: temporal-ca, secret: { secretName: {{ .caSecret }} } }
  {{- end }}
  {{- end }}
{{- end }}
