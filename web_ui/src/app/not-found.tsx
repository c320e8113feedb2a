"use client";
import { Missing } from "@/components/states";

export default function NotFound() {
  return <Missing error={new Error("There is no such page. Check the address.")} />;
}
