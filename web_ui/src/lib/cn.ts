import { type ClassValue, clsx } from "clsx";
import { twMerge } from "tailwind-merge";

/** Class names, later ones beating earlier ones of the same Tailwind group. */
export const cn = (...inputs: ClassValue[]) => twMerge(clsx(inputs));
