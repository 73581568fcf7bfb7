{{/*
How the number of activity workers follows the work. KEDA's figure is the backlog alone: activities that wait, not those that run
(kedacore/keda#7368, #7977). When the last activity of a run has been taken the figure is 0 and every pod is busy. So a pod is given up
only after the figure has not asked for it for quietSeconds, in which it has ended what it had; and if it has not, its grace lets it.
*/}}

{{- define "meterfold.scaleDown" -}}
stabilizationWindowSeconds: {{ .Values.autoscaling.quietSeconds }}
policies: [{ type: Pods, value: 1, periodSeconds: 60 }]
{{- end }}

{{/* The spec of a ScaledObject, but for what it scales and whose backlog is meant; takes (list root metadata). */}}
{{- define "meterfold.scaledObject" -}}
{{- $root := index . 0 -}}
{{- with $root.Values -}}
minReplicaCount: {{ .autoscaling.minReplicas }}
maxReplicaCount: {{ .autoscaling.maxReplicas }}
pollingInterval: {{ .autoscaling.pollSeconds }}
# Temporal can't be asked: nobody is sent away for that.
fallback: { failureThreshold: 3, replicas: {{ .autoscaling.minReplicas }}, behavior: currentReplicas }
advanced:
  horizontalPodAutoscalerConfig:
    behavior:
      scaleDown:
        {{- include "meterfold.scaleDown" $root | nindent 8 }}
triggers:
  - type: temporal
    metadata:
      endpoint: {{ include "meterfold.temporalAddress" $root | quote }}
      {{- index $ 1 | nindent 6 }}
      taskQueue: {{ .temporal.taskQueue | quote }}
      queueTypes: activity
      # One more pod for each pod's worth of waiting activities.
      targetQueueSize: {{ .activityWorkers.slots | toString | quote }}
      {{- with .temporal.tls.serverName }}
      tlsServerName: {{ . | quote }}
      {{- end }}
    {{- if or .temporal.apiKey.existingSecret .temporal.tls.enabled }}
    authenticationRef: { name: {{ include "meterfold.name" $root }}-temporal }
    {{- end }}
{{- end }}
{{- end }}

{{/* The spec of a HorizontalPodAutoscaler, but for what it scales. */}}
{{- define "meterfold.cpuAutoscaler" -}}
minReplicas: {{ .Values.autoscaling.minReplicas }}
maxReplicas: {{ .Values.autoscaling.maxReplicas }}
metrics:
  - type: Resource
    resource: { name: cpu, target: { type: Utilization, averageUtilization: {{ .Values.autoscaling.cpuPercent }} } }
behavior:
  scaleDown:
    {{- include "meterfold.scaleDown" . | nindent 4 }}
{{- end }}
