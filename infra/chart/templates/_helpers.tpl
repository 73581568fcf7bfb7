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

{{/* The image reference. If there is a digest, it determines the image, and the tag is ignored. */}}
{{- define "meterfold.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}{{ with .Values.image.digest }}@{{ . }}{{ end }}
{{- end }}

{{/* The tag as the value of a label: without a digest, at most 63 characters, beginning and ending with a letter or digit. */}}
{{- define "meterfold.version" -}}
{{- $tag := regexReplaceAll "@.*$" (.Values.image.tag | default .Chart.AppVersion) "" | trunc 63 -}}
{{ regexReplaceAll "^[^A-Za-z0-9]+|[^A-Za-z0-9]+$" $tag "" | default .Chart.AppVersion }}
{{- end }}

{{/* The Secret with the database's URL: an existing one, or the chart's own. */}}
{{- define "meterfold.databaseSecret" -}}
{{ .Values.database.existingSecret | default (printf "%s-database" (include "meterfold.name" .)) }}
{{- end }}

{{- define "meterfold.databaseUrl" -}}
{{- if .Values.try.postgres.enabled -}}
postgres://meterfold:{{ .Values.try.postgres.password }}@{{ include "meterfold.name" . }}-postgres:5432/meterfold
{{- else -}}
{{ required "the database is missing: set database.url, or database.existingSecret" .Values.database.url }}
{{- end }}
{{- end }}

{{- define "meterfold.temporalAddress" -}}
{{- if .Values.try.temporal.enabled -}}
{{ include "meterfold.name" . }}-temporal.{{ .Release.Namespace }}:7233
{{- else -}}
{{ required "the address of Temporal is missing: set temporal.address" .Values.temporal.address }}
{{- end }}
{{- end }}

{{/* Parts of every container of meterfold */}}

{{/* Takes (list root secret), where secret is the Secret with the database's URL. The schema permits only strings as settings. */}}
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

{{/* The URL of the log replica, for the pods that use it. It is in a Secret, because it contains a password. */}}
{{- define "meterfold.logReplicaEnv" -}}
{{- with .Values.logReplica }}
{{- if or .url .existingSecret }}
- name: LOG_REPLICA_URL
  valueFrom:
    secretKeyRef: { name: {{ .existingSecret | default (printf "%s-log-replica" (include "meterfold.name" $)) | quote }}, key: {{ .secretKey | quote }} }
{{- end }}
{{- end }}
{{- end }}

{{/* The connection to Temporal. */}}
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

{{/* A container of meterfold. Takes (list root name command secret env): the Secret with the database's URL, and more variables. */}}
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

{{/* The fields that the specs of all pods share: restricted Pod Security, and no token for the API server. */}}
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
