/** The interface of a fault. */
import type { Effect, EffectKind } from './effects.js';
import type { Inflow } from './inflow.js';
import type { Held, HoldScene, Phase, Point } from './phases.js';

export interface FaultScene extends HoldScene {
  inflow: Inflow;
  held: Held;
  phase: Phase;
}

/** The result of injecting a fault; the times are used to compute the recovery time. */
export interface Struck {
  injectedAt: Date;
  /** The time at which the fault was repaired; undefined if nothing is repaired. */
  healedAt?: Date;
  /** Effects that are visible only while the fault lasts. */
  effects?: Effect[];
  /** Checks and repairs after the run has ended. */
  afterwards?(): Promise<void>;
}

export interface Fault {
  name: string;
  /** The points of a phase at which it can be injected; all if undefined. */
  points?: Partial<Record<Phase, readonly Point[]>>;
  /** The kinds of effects that count for it. */
  counts: readonly EffectKind[];
  /** For a phase, an effect that at least one try must have. It is required only of runs that are fanned out. */
  mustSee?: Partial<Record<Phase, EffectKind>>;
  /** Injects the fault into the held run, and releases the run. */
  strike(scene: FaultScene): Promise<Struck>;
}
