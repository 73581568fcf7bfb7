{{/*
Scales the number of activity workers. KEDA's metric is the backlog only: activities that wait, not those that run
(kedacore/keda#7368, #7977). When the last activity of a run has started, the metric is 0 although every pod is busy.
Therefore a pod is removed only after the metric has not required it for quietSeconds, in which its activities normally
end; if they have not ended, the grace period lets them.
*/}}

{{- define "meterfold.scaleDown" -}}
stabilizationWindowSeconds: {{ .Values.autoscaling.quietSeconds }}
policies: [{ type: Pods, value: 1, periodSeconds: 60 }]
{{- end }}

{{/* The spec of a ScaledObject, without its target. Takes (list root metadata), where metadata selects the backlog. */}}
{{- define "meterfold.scaledObject" -}}
{{- $root := index . 0 -}}
{{- with $root.Values -}}
minReplicaCount: {{ .autoscaling.minReplicas }}
maxReplicaCount: {{ .autoscaling.maxReplicas }}
pollingInterval: {{ .autoscaling.pollSeconds }}
# If Temporal is unreachable, no pod is removed.
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
      # One more pod for every `slots` waiting activities.
      targetQueueSize: {{ .activityWorkers.slots | toString | quote }}
      {{- with .temporal.tls.serverName }}
      tlsServerName: {{ . | quote }}
      {{- end }}
    {{- if or .temporal.apiKey.existingSecret .temporal.tls.enabled }}
    authenticationRef: { name: {{ include "meterfold.name" $root }}-temporal }
    {{- end }}
{{- end }}
{{- end }}

{{/* The spec of a HorizontalPodAutoscaler, without its target. */}}
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
