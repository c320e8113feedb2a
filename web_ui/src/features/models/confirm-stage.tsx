"use client";
import { Button } from "@/components/ui/button";
import { Dialog } from "@/components/ui/dialog";
import { type ModelVersion, type RegisteredModel, type Stage, setStage } from "@/lib/api/models";
import { useAct } from "@/lib/api/mutation";

/** Says what a change of stage means, above all which version leaves production. */
export function ConfirmStage({
  model: m,
  asked,
  close,
}: {
  model: RegisteredModel;
  asked: { version: ModelVersion; stage: Stage } | null;
  close: () => void;
}) {
  const act = useAct(setStage, {
    done: (_, { version, stage }) => `${m.name} v${version} is now ${stage}`,
    changes: [["projects", m.project_id, "models"]],
    onDone: close,
  });
  const version = asked?.version.version;
  const replaced =
    asked?.stage === "production" && m.production_version != null && m.production_version !== version;
  return (
    <Dialog
      open={asked !== null}
      onOpenChange={(o) => !o && close()}
      title={`${m.name} v${version}: ${asked?.version.stage} to ${asked?.stage}`}
    >
      {replaced && <p>Version {m.production_version} is in production now and will leave it.</p>}
      <div className="mt-3 flex justify-end gap-2">
        <Button variant="ghost" size="md" onClick={close}>
          Cancel
        </Button>
        <Button
          size="md"
          disabled={act.isPending}
          onClick={() =>
            asked && act.mutate({ modelId: m.id, version: asked.version.version, stage: asked.stage })
          }
        >
          Set to {asked?.stage}
        </Button>
      </div>
    </Dialog>
  );
}
