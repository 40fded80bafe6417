import { sections } from "./sdp.ts";

/** One quality that the viewer may choose. */
export interface QualityLayer {
  /** The mid of its m= section, which the layer extension calls mediaId. */
  mediaId: string;
  /** Identifies it within the stream, e.g. "rid:h" or "spatial:1". */
  id: string;
  rid?: string;
  spatialLayerId?: number;
  /** bit/s; 0 when it is not sent at present. */
  bitrate: number;
  /** Pixels; 0 while unknown. */
  width: number;
  height: number;
}

/**
 * Reads the data of a `layers` event: layers by index of their m= line. Takes
 * the video sections only, highest quality first; unknown shapes are left out.
 */
export function parseLayers(data: unknown, answer: string): QualityLayer[] {
  if (!data || typeof data !== "object") return [];
  const layers: QualityLayer[] = [];
  for (const section of sections(answer)) {
    const list = (data as Record<string, unknown>)[String(section.index)];
    if (section.kind !== "video" || !Array.isArray(list)) continue;
    for (const entry of list) {
      const layer = parseLayer(entry, section.mid);
      if (layer) layers.push(layer);
    }
  }
  return layers.sort((a, b) => b.height - a.height || b.bitrate - a.bitrate);
}

function parseLayer(entry: unknown, mediaId: string): QualityLayer | undefined {
  if (!entry || typeof entry !== "object") return undefined;
  const { rid, spatialLayerId, bitrate, targetBitrate, width, height } = entry as Record<string, unknown>;
  const number = (value: unknown) => (typeof value === "number" && Number.isFinite(value) ? value : 0);
  const common = {
    mediaId,
    bitrate: number(bitrate ?? targetBitrate),
    width: number(width),
    height: number(height),
  };
  if (typeof rid === "string" && rid !== "") return { ...common, id: `rid:${rid}`, rid };
  if (typeof spatialLayerId === "number")
    return { ...common, id: `spatial:${spatialLayerId}`, spatialLayerId };
  return undefined;
}

/** The body of a layer request; without a layer the server chooses. */
export function layerRequest(mediaId: string, layer: QualityLayer | undefined): Record<string, unknown> {
  if (!layer) return { mediaId };
  return layer.rid ? { mediaId, rid: layer.rid } : { mediaId, spatialLayerId: layer.spatialLayerId };
}

/** What the quality menu shows for a layer, e.g. "720p" with "2.5 Mbit/s". */
export function layerLabel(layer: QualityLayer): string {
  if (layer.height > 0) return `${Math.min(layer.width || layer.height, layer.height)}p`;
  return layer.rid ?? `Layer ${layer.spatialLayerId ?? 0}`;
}
