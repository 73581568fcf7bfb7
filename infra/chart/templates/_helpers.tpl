{{/* Names and labels */}}

{{- define "meterfold.name" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 40 | trimSuffix "-" }}{{ else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 40 | trimSuffix "-" }}{{ end }}
{{- end }}

{{/* Takes (list root component). */}}
{{- define "meterfold.selector" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: {{ $root.Chart.Name }}
app.kubernetes.io/instance: {{ $root.Release.Name | quote }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{/* Takes (list root component). */}}
{{- define "meterfold.labels" -}}
{{- $root := index . 0 -}}
{{ include "meterfold.selector" . }}
app.kubernetes.io/version: {{ include "meterfold.version" $root | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" }}
{{- end }}

{{/* What the image is called by; the digest of an image, if there is one, says which it is, whatever the tag. */}}
{{- define "meterfold.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}{{ with .Values.image.digest }}@{{ . }}{{ end }}
{{- end }}

{{/* The tag as a label's value: without a digest, at most 63 characters, letters or digits at both ends. */}}
{{- define "meterfold.version" -}}
{{- $tag := regexReplaceAll "@.*$" (.Values.image.tag | default .Chart.AppVersion) "" | trunc 63 -}}
{{ regexReplaceAll "^[^A-Za-z0-9]+|[^A-Za-z0-9]+$" $tag "" | default .Chart.AppVersion }}
{{- end }}

{{/* Where the database's URL lies: a Secret that is there already, or ours. */}}
{{- define "meterfold.databaseSecret" -}}
{{ .Values.database.existingSecret | default (printf "%s-database" (include "meterfold.name" .)) }}
{{- end }}

{{- define "meterfold.databaseUrl" -}}
{{- if .Values.try.postgres.enabled -}}
postgres://meterfold:{{ .Values.try.postgres.password }}@{{ include "meterfold.name" . }}-postgres:5432/meterfold
{{- else -}}
{{ required "say where the log lies: database.url, or database.existingSecret" .Values.database.url }}
{{- end }}
{{- end }}

{{- define "meterfold.temporalAddress" -}}
{{- if .Values.try.temporal.enabled -}}
{{ include "meterfold.name" . }}-temporal.{{ .Release.Namespace }}:7233
{{- else -}}
{{ required "say where Temporal is: temporal.address" .Values.temporal.address }}
{{- end }}
{{- end }}

{{/* What every container of meterfold gets */}}

{{/* Takes (list root secret): the Secret that holds the database's URL. The schema lets in settings that are strings only. */}}
{{- define "meterfold.env" -}}
{{- $root := index . 0 -}}
- name: DATABASE_URL
  valueFrom:
    secretKeyRef: { name: {{ index . 1 | quote }}, key: {{ $root.Values.database.secretKey | quote }} }
- { name: TEMPORAL_TASK_QUEUE, value: {{ $root.Values.temporal.taskQueue | quote }} }
{{- range $name, $value := $root.Values.settings }}
- { name: {{ $name }}, value: {{ $value | quote }} }
{{- end }}
{{- with $root.Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* The replica's URL, for the pods that read it: it lies in a Secret, as it has a password. */}}
{{- define "meterfold.logReplicaEnv" -}}
{{- with .Values.logReplica }}
{{- if or .url .existingSecret }}
- name: LOG_REPLICA_URL
  valueFrom:
    secretKeyRef: { name: {{ .existingSecret | default (printf "%s-log-replica" (include "meterfold.name" $)) | quote }}, key: {{ .secretKey | quote }} }
{{- end }}
{{- end }}
{{- end }}

{{/* How Temporal is reached. */}}
{{- define "meterfold.temporalEnv" -}}
- { name: TEMPORAL_ADDRESS, value: {{ include "meterfold.temporalAddress" . | quote }} }
- { name: TEMPORAL_NAMESPACE, value: {{ .Values.temporal.namespace | quote }} }
{{- with .Values.temporal }}
{{- if .apiKey.existingSecret }}
- name: TEMPORAL_API_KEY
  valueFrom:
    secretKeyRef: { name: {{ .apiKey.existingSecret | quote }}, key: {{ .apiKey.secretKey | quote }} }
{{- end }}
{{- if .tls.enabled }}
- { name: TEMPORAL_TLS, value: "true" }
{{- with .tls.serverName }}
- { name: TEMPORAL_TLS_SERVER_NAME, value: {{ . | quote }} }
{{- end }}
{{- if .tls.clientSecret }}
- { name: TEMPORAL_TLS_CLIENT_CERT_PATH, value: /etc/meterfold/temporal-client/tls.crt }
- { name: TEMPORAL_TLS_CLIENT_KEY_PATH, value: /etc/meterfold/temporal-client/tls.key }
{{- end }}
{{- if .tls.caSecret }}
- { name: TEMPORAL_TLS_SERVER_CA_CERT_PATH, value: /etc/meterfold/temporal-ca/ca.crt }
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* A container of meterfold; takes (list root name command secret env): the Secret that holds the database's URL, more of its env. */}}
{{- define "meterfold.container" -}}
{{- $root := index . 0 -}}
name: {{ index . 1 }}
image: {{ include "meterfold.image" $root | quote }}
imagePullPolicy: {{ $root.Values.image.pullPolicy }}
args: {{ index . 2 | toJson }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: { drop: [ALL] }
env:
  {{- include "meterfold.env" (list $root (index . 3)) | nindent 2 }}
  {{- index . 4 | nindent 2 }}
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
priorityClassName: {{ . | quote }}
{{- end }}
volumes:
  - { name: tmp, emptyDir: {} }
  {{- with .Values.temporal.tls }}
  {{- if and .enabled .clientSecret }}
  - { name: temporal-client, secret: { secretName: {{ .clientSecret | quote }} } }
  {{- end }}
  {{- if and .enabled .caSecret }}
  - { name: temporal-ca, secret: { secretName: {{ .caSecret | quote }} } }
  {{- end }}
  {{- end }}
{{- end }}
