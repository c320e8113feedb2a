import { create } from "zustand";

/** Whether the server answers, and when it last did: the banner and "as of hh:mm" read it. */
export const useServerState = create<{ isAway: boolean; lastAnswerAt: number | null }>()(() => ({
  isAway: false,
  lastAnswerAt: null,
}));

const COARSE_MS = 5000;

export function noteAnswer(now = Date.now()) {
  const s = useServerState.getState();
  if (s.isAway || !s.lastAnswerAt || now - s.lastAnswerAt > COARSE_MS)
    useServerState.setState({ isAway: false, lastAnswerAt: now });
}

export const noteSilence = () => useServerState.setState({ isAway: true });
