import { RunPage } from "@/features/run/run-page";

export default RunPage;
