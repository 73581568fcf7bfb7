/** What a fault is to the harness. */
import type { Effect, EffectKind } from './effects.js';
import type { Inflow } from './inflow.js';
import type { Held, HoldScene, Phase, Point } from './phases.js';

export interface FaultScene extends HoldScene {
  inflow: Inflow;
  held: Held;
  phase: Phase;
}

/** What a fault says of itself; when it was done, and when it was over, for the recovery's time. */
export interface Struck {
  injectedAt: Date;
  /** When the harm was mended; undefined where nobody mends anything. */
  healedAt?: Date;
  /** What can be seen only while it lasts. */
  effects?: Effect[];
  /** What must hold once the run has ended, and what is to be put right then. */
  afterwards?(): Promise<void>;
}

export interface Fault {
  name: string;
  /** Points of a phase at which it can be done; all of them if undefined. */
  points?: Partial<Record<Phase, readonly Point[]>>;
  /** What counts as its effect. */
  counts: readonly EffectKind[];
  /** In a phase, an effect that must be seen at one try at least; only a run that is fanned out need have it. */
  mustSee?: Partial<Record<Phase, EffectKind>>;
  /** Does it to the run that is held, and lets the run go on. */
  strike(scene: FaultScene): Promise<Struck>;
}
