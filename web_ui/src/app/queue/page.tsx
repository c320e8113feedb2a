import { QueuePage } from "@/features/queue/queue-page";

export default QueuePage;
