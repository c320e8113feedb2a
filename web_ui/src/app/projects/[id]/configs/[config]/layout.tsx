import type { ReactNode } from "react";

export const generateStaticParams = () => [{ config: "_" }];
export default function Layout({ children }: { children: ReactNode }) {
  return children;
}
