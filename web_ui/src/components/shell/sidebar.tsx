"use client";
import { useQuery } from "@tanstack/react-query";
import {
  Activity,
  BookText,
  Boxes,
  ChartLine,
  Cpu,
  Database,
  FlaskConical,
  FolderKanban,
  ListOrdered,
  type LucideIcon,
  Settings2,
  SlidersHorizontal,
} from "lucide-react";
import { isMissing } from "@/components/states";
import { projectQueries } from "@/lib/api/projects";
import { sessionQueries } from "@/lib/api/session";
import { cn } from "@/lib/cn";
import { Link, usePath } from "@/lib/nav";
import { matchRoute } from "@/lib/route";

const look =
  "flex h-8 items-center gap-2 rounded-md px-2 text-muted-foreground hover:bg-accent hover:text-foreground";

function Item({
  href,
  icon: Icon,
  label,
  isHere,
}: {
  href: string;
  icon: LucideIcon;
  label: string;
  isHere: boolean;
}) {
  return (
    <Link
      href={href}
      aria-current={isHere ? "page" : undefined}
      className={cn(look, isHere && "bg-accent text-foreground")}
    >
      <Icon aria-hidden className="size-4" />
      {label}
    </Link>
  );
}

function Outside({ href, icon: Icon, label }: { href: string; icon: LucideIcon; label: string }) {
  return (
    <a className={look} href={href} target="_blank" rel="noreferrer">
      <Icon aria-hidden className="size-4" /> {label}
    </a>
  );
}

function ProjectItems({
  id,
  name,
  path,
  hasTensorBoard,
}: {
  id: string;
  name: string | undefined;
  path: string;
  hasTensorBoard: boolean;
}) {
  const root = `/projects/${id}`;
  const under = (p: string) => path.startsWith(`${root}/${p}`);
  return (
    <>
      <div className="mt-4 mb-1 truncate px-2 font-medium text-muted-foreground text-xs" title={name}>
        {name ?? " "}
      </div>
      <Item
        href={root}
        icon={FlaskConical}
        label="Runs"
        isHere={path === root || under("runs") || under("compare")}
      />
      <Item href={`${root}/configs`} icon={SlidersHorizontal} label="Configs" isHere={under("configs")} />
      <Item href={`${root}/datasets`} icon={Database} label="Datasets" isHere={under("datasets")} />
      <Item href={`${root}/models`} icon={Boxes} label="Models" isHere={under("models")} />
      {hasTensorBoard && (
        <Item
          href={`${root}/tensorboard`}
          icon={ChartLine}
          label="TensorBoard"
          isHere={under("tensorboard")}
        />
      )}
    </>
  );
}

export function Sidebar() {
  const path = usePath();
  const id = matchRoute<"id">("/projects/:id", path)?.id;
  const project = useQuery({ ...projectQueries.one(id ?? ""), enabled: !!id });
  const meta = useQuery(sessionQueries.meta());
  return (
    <nav aria-label="Main" className="flex h-full flex-col gap-0.5 p-2">
      <Item href="/" icon={FolderKanban} label="Projects" isHere={path === "/"} />
      <Item href="/queue" icon={ListOrdered} label="Queue" isHere={path === "/queue"} />
      <Item href="/agents" icon={Cpu} label="Agents & GPUs" isHere={path === "/agents"} />
      {/* A project that does not exist has no pages to offer. */}
      {id && !isMissing(project.error) && (
        <ProjectItems
          id={id}
          name={project.data?.name}
          path={path}
          hasTensorBoard={!!meta.data?.tensorboard}
        />
      )}
      <div className="mt-auto flex flex-col gap-0.5 border-t pt-2">
        <Item href="/settings" icon={Settings2} label="Settings" isHere={path === "/settings"} />
        <Outside href="/docs" icon={BookText} label="API reference" />
        {meta.data?.ray_dashboard_url && (
          <Outside href={meta.data.ray_dashboard_url} icon={Activity} label="Ray dashboard" />
        )}
      </div>
    </nav>
  );
}
