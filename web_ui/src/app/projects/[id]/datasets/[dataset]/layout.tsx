import type { ReactNode } from "react";

export const generateStaticParams = () => [{ dataset: "_" }];
export default function Layout({ children }: { children: ReactNode }) {
  return children;
}
