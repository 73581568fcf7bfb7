{{/*
The template of a worker's pod. Takes (dict root component role slots resources).

A pod that stops has shutdownGraceSeconds for its running activities, and then 15 seconds to close its connections. The
liveness probe is lenient: while a large partition is folded, the event loop answers late, and killing the worker would
only restart the partition.
*/}}
{{- define "meterfold.workerPod" -}}
{{- $root := .root -}}
{{- $secret := include "meterfold.databaseSecret" $root -}}
metadata:
  labels:
    {{- include "meterfold.selector" (list $root .component) | nindent 4 }}
    {{- with $root.Values.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  annotations:
    kubectl.kubernetes.io/default-container: worker
    # Each upgrade is a roll-out, so a changed URL in the chart's own Secret reaches the pods. A hash of the URL would limit
    # roll-outs to changes, but would allow its password to be guessed.
    meterfold/database: {{ $root.Values.database.existingSecret | default (printf "revision %d" $root.Release.Revision) | quote }}
    {{- if $root.Values.logReplica.existingSecret }}
    meterfold/log-replica: {{ $root.Values.logReplica.existingSecret | quote }}
    {{- else if $root.Values.logReplica.url }}
    meterfold/log-replica: {{ printf "revision %d" $root.Release.Revision | quote }}
    {{- end }}
    {{- with $root.Values.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  {{- include "meterfold.pod" $root | nindent 2 }}
  terminationGracePeriodSeconds: {{ add $root.Values.shutdownGraceSeconds 15 }}
  {{- with $root.Values.spreadOver }}
  topologySpreadConstraints:
    {{- range . }}
    - topologyKey: {{ . | quote }}
      maxSkew: 1
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels:
          {{- include "meterfold.selector" (list $root $.component) | nindent 10 }}
      matchLabelKeys: [pod-template-hash]
    {{- end }}
  {{- end }}
  {{- if eq $root.Values.migrate.by "initContainer" }}
  initContainers:
    - {{- include "meterfold.container" (list $root "migrate" (list "migrate") $secret (include "meterfold.temporalEnv" $root)) | nindent 6 }}
      resources:
        {{- toYaml .resources | nindent 8 }}
  {{- end }}
  containers:
    - {{- include "meterfold.container" (list $root "worker" (list "worker" "--role" .role) $secret (include "meterfold.workerEnv" .)) | nindent 6 }}
      resources:
        {{- toYaml .resources | nindent 8 }}
      ports:
        - { name: health, containerPort: 8080 }
        - { name: metrics, containerPort: 9464 }
      # Up to five minutes until the worker polls.
      startupProbe:
        httpGet: { path: /startupz, port: health }
        periodSeconds: 2
        timeoutSeconds: 2
        failureThreshold: 150
      livenessProbe:
        httpGet: { path: /livez, port: health }
        periodSeconds: 10
        timeoutSeconds: 5
        failureThreshold: 6
      readinessProbe:
        httpGet: { path: /readyz, port: health }
        periodSeconds: 5
        timeoutSeconds: 5
        failureThreshold: 3
{{- end }}

{{/* For a versioned worker, the Worker Controller sets the connection to Temporal, except for a private authority. */}}
{{- define "meterfold.workerEnv" -}}
{{- with .root.Values -}}
- { name: WORKER_SLOTS, value: {{ $.slots | toString | quote }} }
- { name: SHUTDOWN_GRACE_SECONDS, value: {{ .shutdownGraceSeconds | toString | quote }} }
- { name: HEALTH_HOST, value: {{ .listenOn | quote }} }
- { name: HEALTH_PORT, value: "8080" }
- { name: METRICS_HOST, value: {{ .listenOn | quote }} }
- { name: METRICS_PORT, value: "9464" }
{{- include "meterfold.logReplicaEnv" $.root }}
{{- if not .versioning.enabled }}
{{ include "meterfold.temporalEnv" $.root }}
{{- else if and .temporal.tls.enabled .temporal.tls.caSecret }}
- { name: TEMPORAL_TLS_SERVER_CA_CERT_PATH, value: /etc/meterfold/temporal-ca/ca.crt }
{{- end }}
{{- end }}
{{- end }}
