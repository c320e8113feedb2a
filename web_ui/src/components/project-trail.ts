"use client";
import { useQuery } from "@tanstack/react-query";
import type { Crumb } from "@/components/page-header";
import { projectQueries } from "@/lib/api/projects";

/** The way from all projects down to a page of this one; a name that can't be read is no reason to wait for it. */
export function useProjectTrail(id: string): Crumb[] {
  const project = useQuery(projectQueries.one(id));
  const label = project.data?.name ?? (project.error ? "Project" : undefined);
  return [
    { href: "/", label: "Projects" },
    { href: `/projects/${id}`, label },
  ];
}
