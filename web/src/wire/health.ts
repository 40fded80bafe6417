/** What the server says about a broadcast. */
export interface Verdict {
  id: string;
  severity: "ok" | "notice" | "warning";
  /** The layer that is worst off, where it is one. */
  layer?: string;
  text: string;
  remedy?: string;
  value: number;
}

/** Reads verdicts that came over the wire; what has another shape is left out. */
export function parseHealth(data: unknown): Verdict[] {
  if (!Array.isArray(data)) return [];
  return data.filter((v): v is Verdict => {
    const { id, severity, text } = (v ?? {}) as Record<string, unknown>;
    return (
      typeof id === "string" &&
      typeof text === "string" &&
      ["ok", "notice", "warning"].includes(severity as string)
    );
  });
}

/** Reads the RIDs of an `unwatched` event; undefined when it is none. */
export function parseUnwatched(data: unknown): string[] | undefined {
  const rids = (data as { rids?: unknown } | null)?.rids;
  return Array.isArray(rids) ? rids.filter((r): r is string => typeof r === "string") : undefined;
}
