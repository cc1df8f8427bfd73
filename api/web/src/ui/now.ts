// SPDX-License-Identifier: GPL-3.0-or-later
import { useEffect, useState } from 'preact/hooks';

/** The time, anew every so many ms: for what is said of the past ("5 min ago") or runs on (a trial's length). */
export function useNow(every: number): number {
    const [now, set] = useState(Date.now());
    useEffect(() => {
        const timer = setInterval(() => document.hidden || set(Date.now()), every);
        return () => clearInterval(timer);
    }, [every]);
    return now;
}
