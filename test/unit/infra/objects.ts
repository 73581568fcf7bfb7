/** Parses and validates the Kubernetes objects of a rendered chart. */
import { Deployment } from 'kubernetes-models/apps/v1';
import { HorizontalPodAutoscaler } from 'kubernetes-models/autoscaling/v2';
import { Job } from 'kubernetes-models/batch/v1';
import { NetworkPolicy } from 'kubernetes-models/networking.k8s.io/v1';
import { PodDisruptionBudget } from 'kubernetes-models/policy/v1';
import { ConfigMap, Pod, Secret, Service } from 'kubernetes-models/v1';
import { parseAllDocuments } from 'yaml';

export interface Resource {
  apiVersion: string;
  kind: string;
  metadata: { name: string; annotations?: Record<string, string>; labels?: Record<string, string> };
  // biome-ignore lint/suspicious/noExplicitAny: the type differs between kinds
  spec: any;
}

export interface Container {
  name: string;
  args: string[];
  env: { name: string; value?: string }[];
  ports: { name: string; containerPort: number }[];
  securityContext: object;
  resources: object;
  startupProbe: object;
  livenessProbe: object;
  readinessProbe: object;
}

export interface PodTemplate {
  spec: { terminationGracePeriodSeconds: number; containers: Container[]; initContainers?: Container[] };
}

type Model = new (data: never) => { validate(): void };

/** The built-in kinds. The schemas of custom resources are in the clusters in which they are installed. */
const models: Record<string, Model> = {
  ConfigMap,
  Deployment,
  HorizontalPodAutoscaler,
  Job,
  NetworkPolicy,
  Pod,
  PodDisruptionBudget,
  Secret,
  Service,
};

const customGroups = /^(keda\.sh|monitoring\.coreos\.com|temporal\.io)\//;

export function objectsIn(manifest: string): Resource[] {
  return parseAllDocuments(manifest)
    .map((document) => {
      if (document.errors.length > 0) throw document.errors[0];
      return document.toJS() as Resource | null;
    })
    .filter((resource) => resource !== null);
}

/** Returns why Kubernetes would refuse the resource; undefined if it would not. */
export function faultOf(resource: Resource): string | undefined {
  const named = `${resource.kind} ${resource.metadata.name}`;
  if (customGroups.test(resource.apiVersion)) return undefined;
  const Model = models[resource.kind];
  if (Model === undefined) return `${named}: this test does not know the kind`;
  try {
    new Model(resource as never).validate();
    return undefined;
  } catch (error) {
    return `${named}: ${(error as Error).message}`;
  }
}

/** Returns pods and pod templates. */
export function podsIn(objects: Resource[]): PodTemplate[] {
  return objects.flatMap((resource) => {
    if (resource.kind === 'Pod') return [resource as PodTemplate];
    return resource.spec?.template?.spec?.containers === undefined ? [] : [resource.spec.template as PodTemplate];
  });
}
