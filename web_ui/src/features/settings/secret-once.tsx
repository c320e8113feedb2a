import { CopyButton } from "@/components/copy-button";

/** A secret that is shown this once: the server keeps only its hash. */
export function SecretOnce({ secret, hint }: { secret: string; hint: string }) {
  return (
    <div className="flex flex-col gap-2">
      <p className="text-muted-foreground">{hint}</p>
      <div className="flex items-center gap-2 rounded-md border bg-muted/50 p-2">
        <code className="min-w-0 flex-1 break-all font-mono text-xs">{secret}</code>
        <CopyButton text={secret} />
      </div>
    </div>
  );
}
