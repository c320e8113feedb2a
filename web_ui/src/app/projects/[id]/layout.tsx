import type { ReactNode } from "react";

// One shell for every id: the server hands it out for /projects/<anything>, and the page reads the id from the address.
export const generateStaticParams = () => [{ id: "_" }];
export default function Layout({ children }: { children: ReactNode }) {
  return children;
}
